package report

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

func takeOver(kept, gone uint32) *bulkheadv1.SupervisorRestarted {
	return &bulkheadv1.SupervisorRestarted{Pid: 9, ExpectedClients: 1, Listen: "127.0.0.1:1", HandlersKept: kept, HandlersGone: gone}
}

// A restart is a warning, an upgrade is nothing to warn of, and neither makes a run
// partial.
func TestRestartsInTheVerdict(t *testing.T) {
	tests := []struct {
		name string
		kind bulkheadv1.RestartKind
		more *bulkheadv1.SupervisorRestarted
		want []string
	}{
		{"restarted", restarted, takeOver(3, 2),
			[]string{"the supervisor was killed and restarted at 14:02:11.120; 3 of 5 handlers were taken up again"}},
		{"restarted with one", restarted, takeOver(1, 0),
			[]string{"the supervisor was killed and restarted at 14:02:11.120; 1 of 1 handler was taken up again"}},
		{"restarted with none", restarted, takeOver(0, 0),
			[]string{"the supervisor was killed and restarted at 14:02:11.120; there was no handler to take up again"}},
		{"upgraded", upgraded, takeOver(5, 0), []string{}},
		{"of no kind", 0, takeOver(0, 1),
			[]string{"another supervisor took the run up at 14:02:11.120; 0 of 1 handler was taken up again"}},
		{"torn", upgraded, &bulkheadv1.SupervisorRestarted{ExpectedClients: 1, TornBytes: 7, Torn: "cut short"},
			[]string{"the journal ended in the middle of a record at 14:02:11.120: 7 bytes set aside, never acknowledged: cut short"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newStory(t, 1)
			s.at(time.Second).restarted(test.kind, test.more)
			a := s.arrive("a", 1, 1, 4001, 0)
			a.start()
			a.worked(0, 1)
			a.say(a.stop(bulkheadv1.StopReason_STOP_REASON_RUNTIME, "", nil))
			a.end(bulkheadv1.Outcome_OUTCOME_CLOSED, "")
			s.ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
			r := foldAll(t, s.records)
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

// A connection that a restarted supervisor takes up again goes on: with its handler,
// and without a resume.
func TestConnectionKeptThroughRestarts(t *testing.T) {
	s := newStory(t, 1)
	a := s.arrive("a", 1, 1, 4001, 0)
	a.start()
	for n := range 3 {
		s.at(time.Duration(n+1)*time.Second).restarted(restarted, takeOver(1, 0))
		a.at(s.after + 10*time.Millisecond)
		a.attach(1, 4001)
		a.say(a.progress(0, 1, 0, ""))
	}
	a.at(10*time.Second).detach(1, "cut")
	a.attach(2, 4002)
	r := foldAll(t, s.records)
	c := r.Clients[0]
	if c.KeptThroughRestarts != 3 || r.Totals.KeptThroughRestarts != 3 || c.Resumes != 1 || len(c.Connections) != 2 || len(r.Handlers) != 2 {
		t.Errorf("kept %d and %d times, %d resumes, %d connections, %d handlers", c.KeptThroughRestarts,
			r.Totals.KeptThroughRestarts, c.Resumes, len(c.Connections), len(r.Handlers))
	}
	first := c.Connections[0]
	if want := Stamp(runStart.Add(3010 * time.Millisecond).UnixNano()); first.LastKeptAt != want || first.KeptThroughRestarts != 3 {
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
	s := newStory(t, 0)
	for i := range maxRestarts + 2 {
		s.at(time.Duration(i)*time.Second).restarted(upgraded, takeOver(0, 0))
	}
	r := foldAll(t, s.records)
	if len(r.Run.Restarts) != maxRestarts || r.Run.RestartsLeftOut != 2 {
		t.Errorf("%d restarts, %d left out", len(r.Run.Restarts), r.Run.RestartsLeftOut)
	}
	text, _ := render(t, r)
	if want := fmt.Sprintf("%s more restarts and upgrades before these", count(maxRestarts+2-shownRestarts)); !strings.Contains(string(text), want) {
		t.Errorf("the text does not say %q", want)
	}
}

// Connections shed for one reason are counted together, over the time they came in.
func TestShed(t *testing.T) {
	s := newStory(t, 0)
	s.at(5*time.Second).shed(10, "full", 2*time.Second)
	s.at(6*time.Second).shed(1, "source 192.0.2.1", -time.Hour) // a time that cannot be
	s.at(9*time.Second).shed(5, "full", time.Second)
	s.ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
	r := foldAll(t, s.records)
	at := func(after time.Duration) Stamp { return Stamp(runStart.Add(after).UnixNano()) }
	want := []Shed{{"full", 15, at(3 * time.Second), at(9 * time.Second)}, {"source 192.0.2.1", 1, at(6 * time.Second), at(6 * time.Second)}}
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
	s := newStory(t, 0)
	for i := range maxShedReasons + 10 {
		s.shed(2, fmt.Sprint("source ", i), 0)
	}
	s.shed(math.MaxUint64, "source 1", 0)
	r := foldAll(t, s.records)
	last := r.Run.Shed[len(r.Run.Shed)-1]
	if len(r.Run.Shed) != maxShedReasons || last.Reason != otherShed || last.Count != 22 {
		t.Errorf("%d reasons, the last %+v", len(r.Run.Shed), last)
	}
	if r.Run.ShedConnections != math.MaxUint64 || r.Run.Shed[1].Count != math.MaxUint64 {
		t.Errorf("%d shed, %d for one reason", r.Run.ShedConnections, r.Run.Shed[1].Count)
	}
}
