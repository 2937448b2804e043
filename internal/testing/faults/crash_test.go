package faults_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bulkhead/internal/testing/rawclient"
	"bulkhead/supervisor/report"

	"bulkhead/internal/testing/harness/expect"
)

// crashPoint is a named point of the supervisor's work at which it is killed.
type crashPoint struct {
	name string
	// hit is the number of the hit at which the supervisor is killed.
	hit int
	// way is how the point is reached.
	way way
}

// way is how a crash point is reached.
type way string

const (
	atWork   way = ""                            // by the load
	firstAck way = "before the first ack"        // by the load, when no client has been acknowledged anything
	atEnd    way = "as the clients end"          // only then
	resuming way = "as another resumes the run"  // by a supervisor that follows a killed one
	upgraded way = "in an upgrade"               // by the old program or the new one
	poisoned way = "as a session is quarantined" // by a client that kills handlers
	grown    way = "with a long journal"         // by clients that say much
)

// crashPoints are all points between the accept of a connection and the end of a
// run; those that not every run reaches come last.
var crashPoints = []crashPoint{
	{name: "accepted", hit: 3},
	{name: "before-handover", hit: 3},
	{name: "after-handover", hit: 3},
	{name: "before-append", hit: 20},
	{name: "after-write", hit: 20},
	{name: "after-fsync", hit: 20},
	{name: "before-ack", hit: 20},
	{name: "after-ack", hit: 20},
	{name: "welcomed", hit: 2, way: firstAck},
	{name: "before-append", hit: 1, way: firstAck},
	{name: "after-write", hit: 2, way: firstAck}, // behind that of the run's first record
	{name: "after-fsync", hit: 2, way: firstAck},
	{name: "before-ack", hit: 1, way: firstAck},
	{name: "before-session-ended", hit: 2, way: atEnd},
	{name: "after-session-ended", hit: 2, way: atEnd},
	{name: "before-run-ended", hit: 1, way: atEnd},
	{name: "after-run-ended", hit: 1, way: atEnd},
	{name: "before-report", hit: 1, way: atEnd},
	{name: "after-report", hit: 1, way: atEnd},
	{name: "before-adopt", hit: 1, way: resuming},
	{name: "after-adopt", hit: 1, way: resuming},
	{name: "after-restarted-record", hit: 1, way: resuming},
	{name: "before-suspend", hit: 1, way: upgraded},
	{name: "after-suspend", hit: 1, way: upgraded},
	{name: "before-exec", hit: 1, way: upgraded},
	{name: "before-adopt", hit: 1, way: upgraded},
	{name: "after-adopt", hit: 1, way: upgraded},
	{name: "after-restarted-record", hit: 1, way: upgraded},
	{name: "before-quarantine", hit: 1, way: poisoned},
	{name: "after-quarantine", hit: 1, way: poisoned},
	{name: "checkpoint-written", hit: 2, way: grown},
}

// String returns the point's name as a subtest.
func (p crashPoint) String() string {
	if p.way == upgraded || p.way == firstAck {
		return p.name + "/" + strings.ReplaceAll(string(p.way), " ", "_")
	}
	return p.name
}

// when returns the hit, in words.
func (p crashPoint) when() string {
	text := fmt.Sprintf("hit %d", p.hit)
	if p.way != atWork {
		text += ", " + string(p.way)
	}
	return text
}

// onlyReport reports whether the journal has the end of the run at that point.
func (p crashPoint) onlyReport() bool {
	return p.name == "after-run-ended" || p.name == "before-report"
}

// says returns what must follow, in words.
func (p crashPoint) says() string {
	switch {
	case p.name == "after-report":
		return "nothing is left to do"
	case p.onlyReport():
		return "the report is built from the journal; complete"
	case p.way == poisoned:
		return "the session is quarantined, and what killed the handlers is kept once; the run continues, every " +
			"message arrives once; partial"
	case p.way == resuming, p.way == upgraded, p.way == grown, p.way == firstAck:
		return "the run continues over the same connections, every message arrives once; complete"
	default:
		return "the run continues, every message arrives once; complete"
	}
}

// TestCrashPoints kills the supervisor at each point, starts it again, and finds
// every message once and the report complete.
func TestCrashPoints(t *testing.T) {
	for _, p := range crashPoints {
		t.Run(p.String(), func(t *testing.T) {
			t.Parallel()
			p.crash(t)
		})
	}
}

// crash runs the test of one point.
func (p crashPoint) crash(t *testing.T) {
	armed := fmt.Sprintf("supervisor/%s=kill@%d", p.name, p.hit)
	set := settings{clients: 3, failpoints: armed}
	if p.way == resuming {
		set.failpoints = "none=kill" // the programs that have the points, and none of theirs
	}
	w := newWorld(t, set)
	talk := func(cfg *rawclient.SenderConfig) {
		if p.way == grown {
			cfg.Padding = 4000
		}
	}
	all := []*rawclient.Sender{w.sender("a", w.Addr, talk), w.sender("b", w.Addr, talk),
		w.sender("c", w.Addr, func(cfg *rawclient.SenderConfig) {
			talk(cfg)
			if p.way == poisoned {
				cfg.Poison = 10
			}
		})}
	p.reach(w, armed)
	select {
	case <-w.Done():
	case <-time.After(patience):
		t.Fatalf("the supervisor did not reach supervisor/%s", p.name)
	}
	if code, err := w.Wait(patience); err == nil {
		t.Fatalf("the supervisor exited with %d; want death at supervisor/%s", code, p.name)
	}
	if p.name == "after-report" { // all is done but to go
		p.reported(w)
		return
	}
	w.again(p.onlyReport())
	code := exitComplete
	if p.way == poisoned { // the run must not be over before c is told
		code, all = exitPartial, all[:2]
		expect.NoError(t, w.senders[2].AwaitEnd(patience))
	}
	for _, s := range all {
		if p.way != atEnd {
			expect.NoError(t, s.GoesOn(patience))
			s.Finish()
		}
	}
	for _, s := range all {
		expect.NoError(t, s.AwaitEnd(patience))
	}
	rep := w.finish(code)
	for _, s := range all {
		q, c := s.Progress(), expect.Client(t, rep, s.Name())
		if q.Err != nil || c.Outcome != closed || c.Messages != q.Sent || q.Acked != q.Sent {
			t.Errorf("%s: %s (%s) with %d messages; it sent %d, of which %d were acknowledged, and ended with %v",
				s.Name(), c.Outcome, c.Cause, c.Messages, q.Sent, q.Acked, q.Err)
		}
		if p.way == resuming || p.way == upgraded || p.way == poisoned || p.way == grown || p.way == firstAck {
			undisturbed(t, rep, s)
		}
	}
	if p.way == poisoned {
		p.quarantined(w, rep)
	}
}

// reach brings a supervisor to the point; the load alone does for some.
func (p crashPoint) reach(w *world, armed string) {
	if p.way == atWork || p.way == poisoned || p.way == grown || p.way == firstAck {
		return
	}
	for _, s := range w.senders {
		expect.NoError(w.t, s.GoesOn(patience))
	}
	switch p.way {
	case atEnd:
		for _, s := range w.senders {
			s.Finish()
		}
	case resuming:
		w.Kill()
		w.launch(w.addr, armed)
	case upgraded:
		_, _ = w.upgrade() // what it says depends on how far the supervisor came
	}
}

// quarantined checks what became of the session whose client kills handlers.
func (p crashPoint) quarantined(w *world, rep *report.Report) {
	c := expect.Client(w.t, rep, "c")
	if err := w.senders[2].Progress().Err; status.Code(err) != codes.DataLoss {
		w.t.Errorf("c was told %v; want DATA_LOSS", err)
	}
	if c.Outcome != report.OutcomeQuarantined || c.Messages != 8 {
		w.t.Errorf("c: %s (%s) with %d messages; want it quarantined with the 8 before the poison", c.Outcome, c.Cause,
			c.Messages)
	}
	kept, err := os.ReadDir(filepath.Join(w.runDir, "quarantine"))
	expect.NoError(w.t, err)
	if len(kept) != 1 {
		w.t.Errorf("%d frames are kept; want one", len(kept))
	}
}

// reported checks a run whose supervisor died after its last deed.
func (p crashPoint) reported(w *world) {
	if rep := w.checkJournal(); !rep.Complete() {
		w.t.Errorf("the report is not complete: %+v", rep.Verdict)
	}
	if _, err := os.Stat(filepath.Join(w.runDir, "report.json")); err != nil {
		w.t.Error(err)
	}
	w.rebuilt(false)
	w.accounted()
}
