package job

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bulkhead/internal/config"
)

// conditions are targets, each with the conditions that an agent must fulfil for it, written apart
// from how Matches looks at them: "n=x" is a name, what is else a label. nil fits nobody.
func conditions() map[string][]string {
	return map[string][]string{
		"all": {}, "name": {"n=x"}, "rack": {"rack=1"}, "other rack": {"rack=2"}, "disk": {"disk=1"},
		"both": {"rack=1", "disk=1"}, "name and rack": {"n=x", "rack=2"},
	}
}

func target(conditions []string) config.JobTarget {
	if len(conditions) == 0 {
		return config.JobTarget{All: true}
	}
	t := config.JobTarget{Labels: map[string]string{}}
	for _, c := range conditions {
		name, value, _ := strings.Cut(c, "=")
		if name == "n" {
			t.Name = value
		} else {
			t.Labels[name] = value
		}
	}
	return t
}

// agents are one for each combination of name and labels, with what is true of it.
func agents() (list []Agent, facts [][]string) {
	for _, name := range []string{"x", "y"} {
		for _, rack := range []string{"", "1", "2"} {
			for _, disk := range []string{"", "1"} {
				a := Agent{Name: name, Labels: map[string]string{}}
				f := []string{"n=" + name}
				if rack != "" {
					a.Labels["rack"], f = rack, append(f, "rack="+rack)
				}
				if disk != "" {
					a.Labels["disk"], f = disk, append(f, "disk="+disk)
				}
				list, facts = append(list, a), append(facts, f)
			}
		}
	}
	return list, facts
}

// TestMatchOfEverySmallFleet compares Match with what its words say, for every list of up to three
// entries and every fleet of up to two agents.
func TestMatchOfEverySmallFleet(t *testing.T) {
	fleet, facts := agents()
	var kinds [][]string
	for _, c := range conditions() {
		kinds = append(kinds, c)
	}
	cases := 0
	visit(len(kinds), 3, func(chosen []int) {
		entries := make([]config.JobEntry, len(chosen))
		for k, kind := range chosen {
			entries[k] = config.JobEntry{Line: k + 1, On: target(kinds[kind])}
		}
		visit(len(fleet), 2, func(who []int) {
			cases++
			var list []Agent
			for _, i := range who {
				list = append(list, fleet[i])
			}
			fits := func(k, i int) bool {
				for _, c := range kinds[chosen[k]] {
					if !slices.Contains(facts[who[i]], c) {
						return false
					}
				}
				return true
			}
			got, err := Match(entries, list)
			check(t, len(entries), len(list), fits, got, err)
		})
	})
	if cases < 50_000 {
		t.Errorf("only %d cases", cases)
	}
}

// visit calls f with every list of at most so many of n.
func visit(n, most int, f func([]int)) {
	var grow func(list []int)
	grow = func(list []int) {
		f(list)
		if len(list) == most {
			return
		}
		for i := range n {
			grow(append(slices.Clone(list), i))
		}
	}
	grow(nil)
}

// check compares an answer with what fits.
func check(t *testing.T, entries, agents int, fits func(k, i int) bool, got Assignment, err error) {
	t.Helper()
	want := Assignment{Entry: make([]int, agents)}
	twice := 0
	for i := range agents {
		n := 0
		want.Entry[i] = None
		for k := range entries {
			if fits(k, i) {
				n, want.Entry[i] = n+1, k
			}
		}
		if n > 1 {
			twice++
		}
		if n == 0 {
			want.Unused = append(want.Unused, i)
		}
	}
	for k := range entries {
		nobody := true
		for i := range agents {
			nobody = nobody && !fits(k, i)
		}
		if nobody {
			want.Unmatched = append(want.Unmatched, k)
		}
	}
	var found TwiceError
	if errors.As(err, &found); len(found) != twice {
		t.Fatalf("%d entries and %d agents: %v; want %d agents that match twice", entries, agents, err, twice)
	}
	for _, f := range found {
		if len(f.Entries) < 2 {
			t.Errorf("%+v matches twice", f)
		}
	}
	if twice > 0 {
		want = Assignment{}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%d entries, %d agents: %s", entries, agents, diff)
	}
}

func TestTwiceNamesTheEntries(t *testing.T) {
	entries := []config.JobEntry{{Line: 4, On: target([]string{"rack=1"})}, {Line: 6, On: target([]string{"n=y"})},
		{Line: 9, On: target(nil)}}
	_, err := Match(entries, []Agent{{Name: "x", Labels: map[string]string{"rack": "1"}}, {Name: "z"}})
	want := "agent x matches clients[0] (line 4, on {rack: 1}) and clients[2] (line 9, on all); let it match one"
	if err == nil || err.Error() != want {
		t.Errorf("error = %v\n   want %s", err, want)
	}
	var many []Agent
	for i := range 13 {
		many = append(many, Agent{Name: fmt.Sprint("a", i), Labels: map[string]string{"rack": "1"}})
	}
	_, err = Match(entries, many)
	lines := strings.Split(fmt.Sprint(err), "\n")
	if len(lines) != 11 || lines[10] != "so do 3 more agents" {
		t.Errorf("error = %v", err)
	}
}
