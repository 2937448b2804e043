package pool

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// clockwork is the time of a pool under test: it passes when the test says so.
type clockwork struct {
	waits chan time.Duration
	over  chan time.Time
}

func (c clockwork) after(d time.Duration) <-chan time.Time {
	if d == refillDelay {
		return time.After(d)
	}
	c.waits <- d
	return c.over
}

// fillSlow is fill with waits that are over when the test says so.
func fillSlow(t *testing.T, size int) (*Pool, *nursery, clockwork) {
	t.Helper()
	c := clockwork{make(chan time.Duration, 100), make(chan time.Time)}
	n := newNursery(t, 0)
	p := n.pool(size, time.Now)
	p.after = c.after
	n.run(p)
	return p, n, c
}

// use takes a handler, kills it and tells the pool that it ended early.
func (n *nursery) use(p *Pool) {
	n.t.Helper()
	n.take(p).Kill()
	p.EndedEarly("killed", false)
}

// Handlers that end as soon as they serve are followed by others at once if they are few, and later
// and later if they are many, until one serves.
func TestHandlersThatServeAndDie(t *testing.T) {
	t.Parallel()
	p, n, c := fillSlow(t, 1)
	for range freeEnds {
		n.use(p)
	}
	n.awaitReady(p, 1)
	if len(c.waits) > 0 {
		t.Errorf("the pool waits %s after %d handlers; want that it does not", <-c.waits, freeEnds)
	}
	want := respawn.First
	die := func() {
		n.use(p)
		select {
		case wait := <-c.waits:
			if wait > want || wait < want/2 {
				t.Errorf("the pool waits %s; want %s at most, and half of it at least", wait, want)
			}
		case <-time.After(patience):
			t.Fatal("the pool does not wait")
		}
		want = min(2*want, respawn.Most)
	}
	for want < respawn.Most {
		die()
		for p.Counts(t.Context()) != (Counts{}) { // one that was started when the last one was taken
			die()
		}
		started := len(n.pids())
		for range 100 { // which Run answers, and could start others in between
			if c := p.Counts(t.Context()); c != (Counts{}) {
				t.Fatalf("%+v while the pool waits", c)
			}
		}
		if now := len(n.pids()); now != started {
			t.Errorf("%d handlers were started while the pool waits", now-started)
		}
		c.over <- time.Now()
		n.awaitReady(p, 1)
	}
	n.take(p)
	p.Serves()
	for range freeEnds {
		n.use(p)
	}
	n.awaitReady(p, 1)
	if len(c.waits) > 0 {
		t.Errorf("the pool waits %s after a handler has served", <-c.waits)
	}
	if log := n.log(); strings.Count(log, `msg="handlers end as soon as they serve" cause=killed failures=4 `) != 1 ||
		strings.Count(log, "msg=\"handlers serve again\"") != 1 {
		t.Errorf("the log does not say once that it was so, and that it is over:\n%s", log)
	}
}

// One that serves ends the wait of others.
func TestAHandlerThatServesEndsTheWait(t *testing.T) {
	t.Parallel()
	p, n, c := fillSlow(t, 2)
	n.awaitReady(p, 2)
	serving := n.take(p)
	for range freeEnds + 1 {
		n.use(p)
	}
	<-c.waits
	if serving.Pid() == 0 {
		t.Fatal("no handler serves")
	}
	p.Serves()
	n.awaitReady(p, 2)
}

// Handlers that die before their use are not started again without end either.
func TestHandlersThatDieUnused(t *testing.T) {
	t.Parallel()
	p, n, c := fillSlow(t, 1)
	for dead := 0; len(c.waits) == 0; {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		if counts := p.Counts(ctx); ctx.Err() != nil || dead > 10*freeEnds {
			t.Fatalf("%d handlers died, and the pool does not wait: %+v", dead, counts)
		}
		cancel()
		if pids := n.pids(); len(pids) > dead {
			dead = len(pids)
			n.kill(dead - 1)
		}
	}
	c.over <- time.Now()
	n.awaitReady(p, 1)
}

// What ended long ago is in no row with what ends now.
func TestEndsLongAgoDoNotCount(t *testing.T) {
	now := time.Unix(1, 0)
	p := New(1, nil, nil, nil, slog.New(slog.DiscardHandler))
	p.now = func() time.Time { return now }
	for range 10 {
		p.EndedEarly("killed", false)
		now = now.Add(endsMemory + 1)
	}
	if n, _, _ := p.early(); n != 1 {
		t.Errorf("%d in a row; want 1", n)
	}
}

// Whatever ends handlers at once from however many addresses: beside handlers that serve it keeps nobody
// waiting, and where none has served yet not long. What ends without a client has no such excuse.
func TestClientsThatEndHandlersDelayNobody(t *testing.T) {
	now := time.Unix(1000, 0)
	type death struct {
		hadClient bool
		times     int
	}
	for name, tt := range map[string]struct {
		served time.Duration // how long before; 0 for never
		deaths []death
		row    int
		most   time.Duration
	}{
		"while others serve":      {time.Second, []death{{true, 1000}}, 0, 0},
		"long after others have":  {provenFor, []death{{true, 1000}}, 1000, servedMost},
		"before any has served":   {0, []death{{true, 1000}}, 1000, servedMost},
		"without a client":        {time.Second, []death{{false, 1000}}, 1000, respawn.Most},
		"with a client after all": {0, []death{{false, 1}, {true, 1000}}, 1001, respawn.Most},
	} {
		t.Run(name, func(t *testing.T) {
			p := New(1, nil, nil, nil, slog.New(slog.DiscardHandler))
			at := now
			p.now = func() time.Time { return at }
			if tt.served > 0 {
				at = now.Add(-tt.served)
				p.Serves()
				at = now
			}
			for _, d := range tt.deaths {
				for range d.times {
					p.EndedEarly("killed", d.hadClient)
				}
			}
			row, _, _ := p.early()
			if wait := p.ends.wait(row, 0); row != tt.row || row > 0 && wait != tt.most {
				t.Errorf("%d count, and others wait %v; want %d and %v", row, wait, tt.row, tt.most)
			}
		})
	}
}

// A pool whose handlers end with their clients one after the other has the next one ready without a
// wait, as long as another of its handlers serves.
func TestHandlersThatDieBesideOneThatServes(t *testing.T) {
	t.Parallel()
	p, n, c := fillSlow(t, 2)
	n.awaitReady(p, 2)
	n.take(p)
	p.Serves()
	for range 5 * freeEnds {
		n.take(p).Kill()
		p.EndedEarly("killed", true)
	}
	n.awaitReady(p, 2)
	if len(c.waits) > 0 {
		t.Errorf("the pool waits %s", <-c.waits)
	}
}
