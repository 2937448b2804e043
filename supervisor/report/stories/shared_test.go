package stories

import (
	"strings"
	"testing"
	"time"

	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/story"
	"bulkhead/supervisor/report"
)

// A run of two supervisors tells who took part, whose sessions went to whom, when the journal could not
// be reached, and that nobody proved it durable.
func TestSharedRun(t *testing.T) {
	r := folded.All(t, story.Shared(t))
	if !r.Complete() || len(r.Run.Supervisors) != 3 {
		t.Fatalf("the verdict is %+v, of the supervisors %+v", r.Verdict, r.Run.Supervisors)
	}
	one, two, three := r.Run.Supervisors[0], r.Run.Supervisors[1], r.Run.Supervisors[2]
	if one.Left != report.LeftSilent || one.LeftAt != stampAt(14*time.Second) || one.LeftBy != 2 ||
		one.Connections != 1 || two.TakenOver != 1 || two.Connections != 2 || two.Left != "" || three.Before != 1 ||
		three.Host.Name != "collector1" {
		t.Errorf("%+v\n%+v\n%+v", one, two, three)
	}
	if n := r.Clients[0].Connections; len(n) != 2 || n[0].Supervisor != 1 || n[1].Supervisor != 2 {
		t.Errorf("connections %+v", n)
	}
	warnings := strings.Join(r.Verdict.Warnings, "\n")
	for _, want := range []string{"what was acknowledged is not proven durable: node n2 of the engine: it syncs",
		"at 14:02:24.120 supervisor 1 was not heard any more; 1 session went on at supervisor 2"} {
		if !strings.Contains(warnings, want) {
			t.Errorf("%q is not in\n%s", want, warnings)
		}
	}
	found := foundOf(r, report.FindingUnavailable)
	if len(found) != 1 || !strings.Contains(found[0].Text, "for 2s from 14:02:17.620 on at supervisor 1") {
		t.Errorf("findings %+v", found)
	}
	kinds := make(map[string]int)
	for _, e := range r.Series.Events {
		kinds[e.Kind]++
		if e.Kind == report.EventUnavailable && e.EndAt != stampAt(9500*time.Millisecond) {
			t.Errorf("an outage ends at %v", e.EndAt)
		}
	}
	if kinds[report.EventJoined] != 3 || kinds[report.EventLeft] != 1 || kinds[report.EventMoved] != 1 ||
		kinds[report.EventUnavailable] != 2 {
		t.Errorf("events %v", kinds)
	}
}
