package supervisor

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"bulkhead/internal/config"
	"bulkhead/internal/testing/harness/expect"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/watch"
)

// forgetful is a journal that keeps nothing.
type forgetful struct{}

func (forgetful) Append(context.Context, ...*bulkheadv1.Record) error { return nil }

func (forgetful) Close() error { return nil }

// A session that has ended is no goroutine, and a fraction of what one is that is served; one
// that somebody has a word for all the same hears it.
func TestSessionsThatHaveEndedCostLittle(t *testing.T) {
	const sessions = 1000
	r := bareRun(forgetful{}, time.Hour)
	r.cfg.Supervisor.Session = config.Session{Grace: time.Hour}
	r.uptime = watch.NewUptime(time.Now())
	var stop context.CancelFunc
	r.procCtx, stop = context.WithCancel(t.Context())
	defer func() { stop(); r.procs.Wait() }()
	r.sessions, r.shown = make(map[string]*processor), make(map[string]*processor)
	size := func() (bytes uint64, goroutines int) {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc + m.StackInuse, runtime.NumGoroutine()
	}
	begin, idle := size()
	for i := range uint32(sessions) {
		h := &bulkheadv1.Hello{ClientId: fmt.Appendf(nil, "%016d", i)}
		p := newProcessor(r, i+1, fmt.Sprintf("s%d", i+1), h).openedBy(t, r, h)
		r.list(p)
		r.cycle.open++
		r.procs.Go(func() { p.Run(r.procCtx) })
		p.post(t.Context(), note{kind: noteDrain, told: &told{}})
	}
	served, running := size()
	if running < idle+sessions {
		t.Fatalf("%d sessions are %d goroutines", sessions, running-idle)
	}
	for _, p := range r.processors() {
		p.post(t.Context(), note{kind: noteRunOver, told: &told{cause: "it is over"}})
	}
	r.procs.Wait() // none of them runs
	ended, left := size()
	if left > idle+1 {
		t.Errorf("%d sessions that have ended are %d goroutines", sessions, left-idle)
	}
	each, was := (int64(ended)-int64(begin))/sessions, (int64(served)-int64(begin))/sessions
	t.Logf("%d bytes each that is served, %d that has ended", was, each)
	if each > was*3/4 || each > 8<<10 {
		t.Errorf("a session that has ended takes %d bytes, and one that is served %d", each, was)
	}
	again := r.processors()[sessions/2]
	again.serving.Store(new(link)) // as who looked at it just before it ended saw it
	if again.listen(); again.inbox != nil {
		t.Error("a look at a session that has ended starts it again")
	}
	again.post(t.Context(), note{kind: noteDrain, told: &told{cause: "a word"}})
	r.procs.Wait()
	if again.drain.GetReason() != "a word" {
		t.Error("a session that has ended does not hear a word")
	}
}

// A session that ends while somebody still looks at it retires when that one has left.
func TestASessionRetiresWhenItsLastVisitorLeaves(t *testing.T) {
	r := bareRun(forgetful{}, time.Hour)
	r.cfg.Supervisor.Session = config.Session{Grace: time.Hour}
	r.uptime = watch.NewUptime(time.Now())
	h := &bulkheadv1.Hello{ClientId: []byte("0123456789abcdef")}
	p := newProcessor(r, 1, "s1", h).openedBy(t, r, h)
	p.phase = closed
	if !p.enter() {
		t.Fatal("nobody can look at a session that runs")
	}
	ended := make(chan struct{})
	ctx, stop := context.WithCancel(t.Context())
	defer func() { stop(); <-ended }()
	go func() { defer close(ended); p.Run(ctx) }()
	expect.Eventually(t, func() error {
		p.door.Lock()
		defer p.door.Unlock()
		if !p.held {
			return errors.New("Run has not asked whether it can retire")
		}
		return nil
	})
	p.leave()
	select {
	case <-ended:
	case <-time.After(expect.Patience):
		t.Error("the session does not retire")
	}
}
