package stories

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bulkhead/internal/human"
	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/story"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/fold"
	"bulkhead/supervisor/report/render"
)

// A restart is a warning, an upgrade is nothing to warn of, and neither makes a run
// partial.
func TestRestartsInTheVerdict(t *testing.T) {
	tests := []struct {
		name string
		kind bulkheadv1.RestartKind
		more *bulkheadv1.SupervisorRestarted
		want []string
	}{
		{"restarted", story.Restarted, story.TakeOver(3, 2),
			[]string{"the supervisor was killed and restarted at 14:02:11.120; 3 of 5 handlers were adopted"}},
		{"restarted with one", story.Restarted, story.TakeOver(1, 0),
			[]string{"the supervisor was killed and restarted at 14:02:11.120; 1 of 1 handler was adopted"}},
		{"restarted with none", story.Restarted, story.TakeOver(0, 0),
			[]string{"the supervisor was killed and restarted at 14:02:11.120; there was no handler to adopt"}},
		{"upgraded", story.Upgraded, story.TakeOver(5, 0), []string{}},
		{"of no kind", 0, story.TakeOver(0, 1),
			[]string{"another supervisor resumed the run at 14:02:11.120; 0 of 1 handler was adopted"}},
		{"torn", story.Upgraded, &bulkheadv1.SupervisorRestarted{ExpectedClients: 1, TornBytes: 7, Torn: "cut short"},
			[]string{"the journal ended in the middle of a record at 14:02:11.120: 7 bytes set aside, never " +
				"acknowledged: cut short"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := story.New(t, 1)
			s.At(time.Second).Restarted(test.kind, test.more)
			a := s.Arrive("a", 1, 1, 4001, 0)
			a.Start()
			a.Worked(0, 1)
			a.Say(a.Stop(bulkheadv1.StopReason_STOP_REASON_RUNTIME, "", nil))
			a.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "")
			s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
			r := folded.All(t, s.Records)
			if diff := cmp.Diff(test.want, r.Verdict.Warnings); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
			if !r.Complete() || r.Run.ExpectedClients != 1 || r.Run.Pid != 4700 {
				t.Errorf("reasons %q, expected clients %d, pid %d", r.Verdict.Reasons, r.Run.ExpectedClients, r.Run.Pid)
			}
			if test.more.Listen != "" && r.Run.Listen != test.more.Listen || r.Run.Listen == "" {
				t.Errorf("listening on %q", r.Run.Listen)
			}
		})
	}
}

// A connection that a restarted supervisor adopts continues: with its handler, and without a resume.
func TestConnectionKeptThroughRestarts(t *testing.T) {
	s := story.New(t, 1)
	a := s.Arrive("a", 1, 1, 4001, 0)
	a.Start()
	for n := range 3 {
		s.At(time.Duration(n+1)*time.Second).Restarted(story.Restarted, story.TakeOver(1, 0))
		a.At(s.After + 10*time.Millisecond)
		a.Attach(1, 4001)
		a.Say(a.Progress(0, 1, 0, ""))
	}
	a.At(10*time.Second).Detach(1, "cut")
	a.Attach(2, 4002)
	r := folded.All(t, s.Records)
	c := r.Clients[0]
	if c.KeptThroughRestarts != 3 || r.Totals.KeptThroughRestarts != 3 || c.Resumes != 1 || len(c.Connections) != 2 ||
		len(r.Handlers) != 2 {
		t.Errorf("kept %d and %d times, %d resumes, %d connections, %d handlers", c.KeptThroughRestarts,
			r.Totals.KeptThroughRestarts, c.Resumes, len(c.Connections), len(r.Handlers))
	}
	first := c.Connections[0]
	if want := report.Stamp(story.RunStart.Add(3010 * time.Millisecond).UnixNano()); first.LastKeptAt != want ||
		first.KeptThroughRestarts != 3 {
		t.Errorf("the connection is %+v", first)
	}
	if got := r.Handlers[0].DurableMessages; got != 7 {
		t.Errorf("%d messages through the handler, want 7", got)
	}
	if len(r.Journal.Violations) > 0 {
		t.Errorf("violations %q", r.Journal.Violations)
	}
}

func TestRestartsBeyondTheLimit(t *testing.T) {
	s := story.New(t, 0)
	for i := range report.MaxRestarts + 2 {
		s.At(time.Duration(i)*time.Second).Restarted(story.Upgraded, story.TakeOver(0, 0))
	}
	r := folded.All(t, s.Records)
	if len(r.Run.Restarts) != report.MaxRestarts || r.Run.RestartsLeftOut != 2 {
		t.Errorf("%d restarts, %d left out", len(r.Run.Restarts), r.Run.RestartsLeftOut)
	}
	text, _ := rendered(t, r)
	if want := fmt.Sprintf("%s more restarts and upgrades before these",
		human.Count(report.MaxRestarts+2-render.ShownRestarts)); !strings.Contains(string(text), want) {
		t.Errorf("the text does not say %q", want)
	}
}

// Connections shed for one reason are counted together, over the time they came in.
func TestShed(t *testing.T) {
	s := story.New(t, 0)
	s.At(5*time.Second).Shed(10, "full", 2*time.Second)
	s.At(6*time.Second).Shed(1, "source 192.0.2.1", -time.Hour) // a time that cannot be
	s.At(9*time.Second).Shed(5, "full", time.Second)
	s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
	r := folded.All(t, s.Records)
	at := func(after time.Duration) report.Stamp { return report.Stamp(story.RunStart.Add(after).UnixNano()) }
	want := []report.Shed{{Reason: "full", Count: 15, FirstAt: at(3 * time.Second), LastAt: at(9 * time.Second)},
		{Reason: "source 192.0.2.1", Count: 1, FirstAt: at(6 * time.Second), LastAt: at(6 * time.Second)}}
	if diff := cmp.Diff(want, r.Run.Shed); diff != "" || r.Run.ShedConnections != 16 {
		t.Errorf("%d shed (-want +got):\n%s", r.Run.ShedConnections, diff)
	}
	warnings := []string{"15 connections were shed from 14:02:13.120 to 14:02:19.120: full",
		"1 connection was shed at 14:02:16.120: source 192.0.2.1"}
	if diff := cmp.Diff(warnings, r.Verdict.Warnings); diff != "" || !r.Complete() {
		t.Errorf("reasons %q, warnings (-want +got):\n%s", r.Verdict.Reasons, diff)
	}
}

func TestShedBeyondTheLimit(t *testing.T) {
	s := story.New(t, 0)
	for i := range report.MaxShedReasons + 10 {
		s.Shed(2, fmt.Sprint("source ", i), 0)
	}
	s.Shed(math.MaxUint64, "source 1", 0)
	r := folded.All(t, s.Records)
	last := r.Run.Shed[len(r.Run.Shed)-1]
	if len(r.Run.Shed) != report.MaxShedReasons || last.Reason != fold.OtherShed || last.Count != 22 {
		t.Errorf("%d reasons, the last %+v", len(r.Run.Shed), last)
	}
	if r.Run.ShedConnections != math.MaxUint64 || r.Run.Shed[1].Count != math.MaxUint64 {
		t.Errorf("%d shed, %d for one reason", r.Run.ShedConnections, r.Run.Shed[1].Count)
	}
}
