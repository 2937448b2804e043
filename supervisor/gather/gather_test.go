package gather_test

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"bulkhead/supervisor/gather"
)

// happening is an event of a test: of the client of that number, if it is of one.
type happening struct {
	event   gather.Event
	session uint32
	name    string
}

func of(name string, session uint32, events ...gather.Event) (list []happening) {
	for _, e := range events {
		list = append(list, happening{e, session, name})
	}
	return list
}

// take lets everything happen, and returns the one action and after which event it came; -1 for none.
func take(t *testing.T, g *gather.Gather, list []happening) (gather.Action, int) {
	t.Helper()
	action, at := gather.None, -1
	for i, h := range list {
		a := g.Take(h.event, h.session, h.name)
		if a == gather.None {
			continue
		}
		if action != gather.None {
			t.Fatalf("action %d after event %d, and action %d after event %d; want one", action, at, a, i)
		}
		action, at = a, i
	}
	return action, at
}

func TestGather(t *testing.T) {
	const (
		came, unable, ready, went  = gather.Came, gather.CameUnable, gather.Ready, gather.Went
		ended, timeOver, isDrained = gather.Ended, gather.TimeOver, gather.Drained
		excused                    = gather.Excused
	)
	over := []happening{{event: timeOver}}
	for _, tt := range []struct {
		name     string
		expected int
		names    []string
		start    bool
		happens  [][]happening
		want     gather.Action
		missing  []gather.Client
		others   int
	}{
		{name: "nobody is ready yet", expected: 2, happens: [][]happening{of("a", 1, came), of("b", 2, came)},
			missing: []gather.Client{{Session: 1, Name: "a", State: gather.NotReady},
				{Session: 2, Name: "b", State: gather.NotReady}}},
		{name: "all are ready", expected: 2, happens: [][]happening{of("a", 1, came, ready), of("b", 2, came, ready)},
			want: gather.Complete},
		{name: "one never comes", expected: 3, happens: [][]happening{of("a", 1, came, ready), of("b", 2, came), over},
			want: gather.Abort, missing: []gather.Client{{Session: 2, Name: "b", State: gather.NotReady}}, others: 1},
		{name: "the others begin", expected: 2, start: true, happens: [][]happening{of("a", 1, came, ready), over},
			want: gather.Short, others: 1},
		{name: "nobody came, and those that come later begin", expected: 2, start: true, happens: [][]happening{over},
			want: gather.Short, others: 2},
		{name: "ready and gone", expected: 2, happens: [][]happening{of("a", 1, came, ready, went),
			of("b", 2, came, ready), over}, want: gather.Abort,
			missing: []gather.Client{{Session: 1, Name: "a", State: gather.Gone}}},
		{name: "gone and back", expected: 2, happens: [][]happening{of("a", 1, came, ready, went),
			of("b", 2, came, ready), of("a", 1, came)}, want: gather.Complete},
		{name: "gone before it was ready", expected: 1, happens: [][]happening{of("a", 1, came, went)},
			missing: []gather.Client{{Session: 1, Name: "a", State: gather.NotConnected}}},
		{name: "as a journal tells it after a restart", expected: 1, happens: [][]happening{
			of("a", 1, came, went, ready), of("a", 1, came)}, want: gather.Complete},
		{name: "a name counts once", expected: 2, happens: [][]happening{of("a", 1, came, ready),
			of("a", 2, came, ready)}, others: 1},
		{name: "another takes the place of one that died", expected: 2, happens: [][]happening{
			of("a", 1, came, ready, went, ended), of("b", 2, came, ready), of("a", 3, came, ready)},
			want: gather.Complete},
		{name: "who takes the place is who is waited for", expected: 2, others: 1, happens: [][]happening{
			of("a", 1, came, ready, went, ended), of("a", 3, came)},
			missing: []gather.Client{{Session: 3, Name: "a", State: gather.NotReady}}},
		{name: "one that died without another", expected: 2, others: 1,
			happens: [][]happening{of("a", 1, came, ready, ended)},
			missing: []gather.Client{{Session: 1, Name: "a", State: gather.Gone, Ended: true}}},
		{name: "names", names: []string{"a", "b"}, happens: [][]happening{of("x", 1, came, ready),
			of("a", 2, came, ready)}, missing: []gather.Client{{Name: "b", State: gather.NotConnected}}},
		{name: "all names", names: []string{"a", "b"}, happens: [][]happening{of("x", 1, came), of("a", 2, came, ready),
			of("b", 3, came, ready)}, want: gather.Complete},
		{name: "one that cannot wait is there", expected: 2, happens: [][]happening{of("old", 1, unable),
			of("a", 2, came, ready)}, want: gather.Complete},
		{name: "one that cannot wait is there though it has ended", expected: 2, happens: [][]happening{
			of("old", 1, unable, ended), of("a", 2, came, ready)}, want: gather.Complete},
		{name: "one that is excused is not waited for", expected: 2, happens: [][]happening{of("a", 1, came, ready),
			of("b", 2, came, excused)}, want: gather.Complete},
		{name: "one that was ready and is excused has no part", expected: 3, happens: [][]happening{
			of("a", 1, came, ready), of("b", 2, came, ready, excused, went, ended)}, others: 1},
		{name: "another of its name is waited for", expected: 2,
			happens: [][]happening{of("b", 2, came, excused, ended),
				of("b", 3, came), of("a", 1, came, ready)},
			missing: []gather.Client{{Session: 3, Name: "b", State: gather.NotReady}}},
		{name: "an awaited name is excused", names: []string{"a", "b", "c"}, happens: [][]happening{
			of("a", 1, came, ready), of("b", 2, came, ready, excused)},
			missing: []gather.Client{{Name: "c", State: gather.NotConnected}}},
		{name: "a stranger is excused", names: []string{"a", "b"}, happens: [][]happening{of("a", 1, came, ready),
			of("x", 2, came, excused)}, missing: []gather.Client{{Name: "b", State: gather.NotConnected}}},
		{name: "one more than are expected is excused", expected: 2, happens: [][]happening{of("a", 1, came),
			of("b", 2, came), of("c", 3, came, excused), of("a", 1, ready)},
			missing: []gather.Client{{Session: 2, Name: "b", State: gather.NotReady}}},
		{name: "all are excused", expected: 1, happens: [][]happening{of("a", 1, came, excused, went, ended), over},
			want: gather.Abort},
		{name: "nothing follows a drain", expected: 1, happens: [][]happening{{{event: isDrained}},
			of("a", 1, came, ready), over}},
		{name: "the time is over when all have begun", expected: 1, happens: [][]happening{
			of("a", 1, came, ready), over}, want: gather.Complete},
		{name: "one comes when the others have begun", expected: 1, happens: [][]happening{of("a", 1, came, ready),
			of("b", 2, came, ready), of("a", 1, went)}, want: gather.Complete,
			missing: []gather.Client{{Session: 1, Name: "a", State: gather.Gone}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := gather.New(tt.expected, tt.names, tt.start)
			got, _ := take(t, g, slices.Concat(tt.happens...))
			if got != tt.want {
				t.Errorf("action %d; want %d", got, tt.want)
			}
			missing, others := g.Missing()
			if tt.name == "one comes when the others have begun" {
				missing = slices.DeleteFunc(missing, func(c gather.Client) bool { return c.Name == "b" })
			}
			if !reflect.DeepEqual(missing, tt.missing) || others != tt.others {
				t.Errorf("missing %+v and %d others; want %+v and %d", missing, others, tt.missing, tt.others)
			}
			if g.Over() != (tt.want != gather.None || tt.name == "nothing follows a drain") {
				t.Errorf("over is %v after action %d", g.Over(), got)
			}
		})
	}
}

// scripts are what may happen to a client, from its first connection on.
var scripts = [][]gather.Event{
	{gather.Came, gather.Ready},
	{gather.Came},
	{gather.CameUnable},
	{gather.CameUnable, gather.CameUnable, gather.Ended},
	{gather.Came, gather.Ready, gather.Went},
	{gather.Came, gather.Ready, gather.Went, gather.Came},
	{gather.Came, gather.Went, gather.Came, gather.Ready},
	{gather.Came, gather.Ready, gather.Went, gather.Ended},
	{gather.Came, gather.Went, gather.Ended},
	{gather.Came, gather.Ready, gather.Came, gather.Ready},
	{gather.Came, gather.Excused, gather.Ready, gather.Went, gather.Ended},
	{gather.Came, gather.Ready, gather.Went, gather.Excused, gather.Ended},
}

// isThere says, without the code under test, whether a client need not be waited for.
func isThere(past []gather.Event) bool {
	if slices.Contains(past, gather.Excused) {
		return false
	}
	connected, ready := false, false
	for _, e := range past {
		switch e {
		case gather.CameUnable:
			return true
		case gather.Came:
			connected = true
		case gather.Ready:
			ready = true
		default:
			connected = false
		}
	}
	return connected && ready
}

// needed says, without the code under test, how many names must be there: of names that are awaited all
// but those of which every session that is left was excused; of any names so many fewer as were
// excused, but no fewer than came.
func needed(expected int, awaited []string, past [][]gather.Event, owner []string) int {
	staying, leaving := make(map[string]bool), make(map[string]bool)
	for i, events := range past {
		switch {
		case len(events) == 0:
		case slices.Contains(events, gather.Excused):
			leaving[owner[i]] = true
		case !slices.Contains(events, gather.Ended) || isThere(events):
			staying[owner[i]] = true
		}
	}
	need := expected
	for name := range leaving {
		if !staying[name] && (awaited == nil || slices.Contains(awaited, name)) {
			need--
		}
	}
	if awaited != nil {
		return need
	}
	return max(need, min(expected, len(staying)), 0)
}

// TestInterleavings lets clients whose lives are drawn happen in an order that is drawn, with the end
// of the time somewhere, and compares when what is decided with the sentence: as soon as as many names
// as are expected are there, or else when the time is over.
func TestInterleavings(t *testing.T) {
	names := []string{"a", "b", "c", "d"}
	seen := make(map[gather.Action]int)
	for seed := range uint64(20_000) {
		r := rand.New(rand.NewPCG(seed, 1))
		expected, start := 1+r.IntN(3), r.IntN(2) == 0
		var awaited []string
		if r.IntN(2) == 0 {
			awaited = names[:expected]
		}
		lives := make([][]gather.Event, 1+r.IntN(5))
		owner := make([]string, len(lives))
		for i := range lives {
			lives[i], owner[i] = scripts[r.IntN(len(scripts))], names[r.IntN(len(names))]
		}
		over := r.IntN(20)
		g := gather.New(expected, awaited, start)
		past := make([][]gather.Event, len(lives))
		decided := gather.None
		for step := 0; ; step++ {
			var open []int
			for i := range lives {
				if len(past[i]) < len(lives[i]) {
					open = append(open, i)
				}
			}
			if len(open) == 0 && step > over {
				break
			}
			var got gather.Action
			want := gather.None
			if step == over {
				got = g.Take(gather.TimeOver, 0, "")
				if decided == gather.None {
					want = gather.Abort
					if start {
						want = gather.Short
					}
				}
			} else if len(open) > 0 {
				i := open[r.IntN(len(open))]
				e := lives[i][len(past[i])]
				past[i] = append(past[i], e)
				got = g.Take(e, uint32(i+1), owner[i])
				there := make(map[string]bool)
				for j := range past {
					if isThere(past[j]) && (awaited == nil || slices.Contains(awaited, owner[j])) {
						there[owner[j]] = true
					}
				}
				need := needed(expected, awaited, past, owner)
				if decided == gather.None && len(there) >= need && need > 0 {
					want = gather.Complete
				}
				if n, of := g.Counts(); n != len(there) || of != need {
					t.Fatalf("seed %d: %d of %d are there; want %d of %d", seed, n, of, len(there), need)
				}
			}
			if got != want {
				t.Fatalf("seed %d, step %d: action %d; want %d (past %v of %v)", seed, step, got, want, past, owner)
			}
			if got != gather.None {
				decided = got
			}
		}
		seen[decided]++
	}
	if seen[gather.Complete] < 1000 || seen[gather.Short] < 1000 || seen[gather.Abort] < 1000 {
		t.Errorf("actions that came: %v; want many of each", seen)
	}
}
