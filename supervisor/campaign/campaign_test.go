package campaign

import (
	"slices"
	"strings"
	"testing"
	"time"

	"bulkhead/internal/config"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/fleet"
)

// Agents that have reported are used; one that has just gone, and matches, is waited for, and one that
// has been away for long is not.
func TestWhoDoesWhat(t *testing.T) {
	now := time.Unix(1000, 0)
	rack := func(name string) fleet.Agent {
		return fleet.Agent{ID: name, Name: name, Labels: map[string]string{"rack": "1"}, Connected: true,
			Reported: true, Since: now}
	}
	silent, gone, lost := rack("silent"), rack("gone"), rack("lost")
	silent.Reported = false
	gone.Connected, gone.Reported = false, false
	lost.Connected, lost.Reported, lost.Since = false, false, now.Add(-returnsSoon)
	other := fleet.Agent{Name: "other", Since: now}
	entries := []config.JobEntry{{On: config.JobTarget{Labels: map[string]string{"rack": "1"}}}}
	for _, tt := range []struct {
		name   string
		agents []fleet.Agent
		use    string
		waits  string
		entry  bool // is waited for
	}{
		{"one", []fleet.Agent{rack("a")}, "a", "", false},
		{"all", []fleet.Agent{rack("a"), rack("b")}, "a b", "", false},
		{"nobody", nil, "", "", true},
		{"another", []fleet.Agent{other}, "", "", true},
		{"one that has just gone", []fleet.Agent{rack("a"), gone}, "", "gone", false},
		{"one that has said nothing", []fleet.Agent{rack("a"), silent}, "", "silent", false},
		{"one that is lost", []fleet.Agent{rack("a"), lost}, "a", "", false},
		{"another that has just gone", []fleet.Agent{rack("a"), other}, "a", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			shares, waits, err := matched(entries, tt.agents, now)
			if err != nil {
				t.Fatal(err)
			}
			var use []string
			for _, s := range shares {
				use = append(use, s.agent.Name)
			}
			if got := strings.Join(use, " "); got != tt.use {
				t.Errorf("used are %q; want %q", got, tt.use)
			}
			if got := strings.Join(waits.GetAgents(), " "); got != tt.waits {
				t.Errorf("waited for are %q; want %q", got, tt.waits)
			}
			if got := slices.Equal(waits.GetEntries(), []uint32{0}); got != tt.entry {
				t.Errorf("entries waited for: %v", waits.GetEntries())
			}
		})
	}
}

// run is one that some clients have come to.
type run struct {
	Run
	joined []string
}

func (r run) Joined(name string) bool { return slices.Contains(r.joined, name) }

// A client that will not come is waited for in vain; one that has come is the run's.
func TestAClientThatWillNotCome(t *testing.T) {
	of := func(state bulkheadv1.TaskState, connected bool, since time.Duration) []share {
		return []share{{agent: fleet.Agent{Name: "a", Connected: connected, Since: time.Now().Add(-since)},
			task: &bulkheadv1.Task{ClientName: "a"}, told: &bulkheadv1.TaskReport{State: state}}}
	}
	const unknown, running = bulkheadv1.TaskState_TASK_STATE_UNSPECIFIED, bulkheadv1.TaskState_TASK_STATE_RUNNING
	const ended, refused = bulkheadv1.TaskState_TASK_STATE_ENDED, bulkheadv1.TaskState_TASK_STATE_REFUSED
	for _, tt := range []struct {
		shares []share
		joined []string
		vain   bool
	}{
		{of(unknown, true, 0), nil, false},
		{of(running, true, time.Hour), nil, false},
		{of(running, false, awayPatience/2), nil, false},
		{of(running, false, awayPatience), nil, true},
		{of(running, false, awayPatience), []string{"a"}, false},
		{of(ended, true, 0), nil, true},
		{of(ended, true, 0), []string{"b"}, true},
		{of(ended, true, 0), []string{"a"}, false},
		{of(refused, true, 0), nil, true},
	} {
		if why := inVain(tt.shares, run{joined: tt.joined}); (why != "") != tt.vain {
			t.Errorf("%v of an agent %+v, joined %v: %q; want in vain: %t", tt.shares[0].told.GetState(),
				tt.shares[0].agent, tt.joined, why, tt.vain)
		}
	}
}
