package supervisor

import (
	"context"
	"errors"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"bulkhead/internal/downlink"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/cluster"
	"bulkhead/supervisor/cluster/joined"
	"bulkhead/supervisor/cluster/patient"
)

// unsure is a session's part of a journal of which nobody knows whether it has what was appended first.
type unsure struct {
	cluster.Log
	appends int
}

func (u *unsure) Append(context.Context, cluster.Head, ...*bulkheadv1.Record) error {
	if u.appends++; u.appends == 1 {
		return cluster.ErrUnavailable
	}
	return nil
}

// An outcome of which nobody knows whether it is in the journal is told neither the client nor an operator,
// and nothing is appended behind it.
func TestAnOutcomeThatMayNotBeDurableIsNotTold(t *testing.T) {
	hello := &bulkheadv1.Hello{ClientId: []byte("0123456789abcdef"), Name: "one", Workload: &bulkheadv1.Workload{}}
	r := bareRun(new(notedJournal), 0)
	p := newProcessor(r, 1, "s1", hello).openedBy(t, r, hello)
	book := &unsure{Log: p.book}
	p.book, p.grace, p.owing = book, stoppedTimer(), stoppedTimer()
	connection := func() *link {
		return &link{hello: hello, send: sender{down: downlink.New()}, log: r.log, drop: func(error) {}}
	}
	p.phase, p.link = active, connection()
	p.step(goodbye, nil, "said goodbye", 0)
	if err := <-r.failed; !errors.Is(err, cluster.ErrUnavailable) {
		t.Errorf("the run ends with %v", err)
	}
	p.oust("another has come")
	p.step(runOver, nil, "the run is over", 0)
	p.record(&bulkheadv1.Record{Entry: &bulkheadv1.Record_HandlerExited{}})
	if book.appends != 1 {
		t.Errorf("%d appends, the first of which is open", book.appends)
	}
	if now := p.live.snapshot().phase; now.ended() {
		t.Errorf("the status says %v", now)
	}
	back := connection()
	p.connected(back)
	if f := back.send.down.Take().GetFinish(); codes.Code(f.GetCode()) != codes.Unavailable ||
		f.GetRetryAfterNano() == 0 {
		t.Errorf("who comes back is told %v", f)
	}
}

// absent is an engine that is never there.
type absent struct {
	cluster.Run
	asked chan struct{}
}

func (a absent) Note(context.Context, ...*bulkheadv1.Record) error {
	select {
	case a.asked <- struct{}{}:
	default:
	}
	return cluster.ErrUnavailable
}

func (a absent) Supervisor() uint32 { return 1 }

// The time of a drain does not pass while the journal's engine is not there: nothing can come to its end.
func TestADrainWaitsForTheEngine(t *testing.T) {
	r := bareRun(new(notedJournal), 0)
	inner := absent{asked: make(chan struct{})}
	engine := patient.On(inner, r.log)
	r.engine = &joined.Run{Run: engine}
	o := &operator{run: r, deadline: stoppedTimer()}
	p := &processor{run: r, drainBy: time.Now()}
	o.limit()
	p.limitDrain()
	<-o.deadline.C
	<-p.drainIsOver()
	if o.late() || p.drainIsLate() {
		t.Error("the drain goes on, and the engine is there")
	}
	noted := make(chan error)
	go func() { noted <- engine.Note(t.Context(), &bulkheadv1.Record{}) }()
	<-inner.asked
	<-inner.asked
	if !o.late() || !p.drainIsLate() {
		t.Error("the drain is over, and the engine is not there")
	}
	engine.GiveUp()
	<-noted
	o.late()
	p.drainIsLate()
	<-o.deadline.C // set anew
	<-p.drainIsOver()
	if o.late() || p.drainIsLate() {
		t.Error("the drain goes on without end")
	}
}

// Who leaves its run takes no session back, and gives the run no end once it does not wait for the engine.
func TestWhoLeavesARunTakesNothingBack(t *testing.T) {
	r := bareRun(new(notedJournal), 0)
	hello := &bulkheadv1.Hello{ClientId: []byte("0123456789abcdef"), Name: "one", Workload: &bulkheadv1.Workload{}}
	r.leaving = true
	p, no := r.session(&link{hello: hello}, hello)
	if p != nil || no == nil || no.reason != bulkheadv1.Reason_REASON_SESSION_MOVED || no.retryAfter == 0 {
		t.Errorf("a client that comes has session %v: %+v", p, no)
	}
	engine := patient.On(r.book, r.log)
	r.engine = &joined.Run{Run: engine}
	engine.GiveUp()
	if err := r.finish(t.Context(), &bulkheadv1.RunEnded{}); !errors.Is(err, cluster.ErrUnavailable) {
		t.Errorf("the end without patience: %v", err)
	}
}
