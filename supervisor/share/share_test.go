package share

import (
	"context"
	"errors"
	"math"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// clock returns the time as a Pool asks for it: that of the bubble.
func clock() func() time.Duration {
	start := time.Now()
	return func() time.Duration { return time.Since(start) }
}

// greedy takes one load after the other for as long as ctx lasts, and returns how many.
func greedy(ctx context.Context, m *Member, l Load) (taken int) { return send(ctx, m, l, math.MaxInt) }

// send is greedy for at most so many.
func send(ctx context.Context, m *Member, l Load, most int) (taken int) {
	for taken < most && m.Take(ctx, l) == nil {
		m.Done(l)
		taken++
	}
	return taken
}

func present(p *Pool) *Member {
	m := p.Join()
	m.Present(true)
	return m
}

// Fourteen sessions that send as much as they can take equal parts of what there is, whatever the
// size of their batches, and one that sends little beside them does not wait at all.
func TestGreedySessionsDoNotDelayOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const lasts, others = 60 * time.Second, 14
		p := NewPool(Limits{All: 0.4}, clock())
		ctx, cancel := context.WithTimeout(t.Context(), lasts)
		defer cancel()
		sizes := []Load{{1, 128, 24 << 10}, {1, 1024, 1 << 20}}
		took := make([]float64, others)
		var wg sync.WaitGroup
		for i := range took {
			m, b := present(p), sizes[i%len(sizes)]
			wg.Go(func() { took[i] = float64(greedy(ctx, m, b)) * b.cost() })
		}
		honest := present(p)
		for ctx.Err() == nil {
			began := time.Now()
			if send(ctx, honest, Load{Batches: 1, Bytes: 3 << 10, Messages: 16}, 1) == 0 {
				break
			}
			if waited := time.Since(began); waited != 0 {
				t.Errorf("after %v, a session that sends little waited %v", time.Since(began), waited)
			}
			time.Sleep(10 * time.Millisecond)
		}
		wg.Wait()
		all := 0.0
		for i, s := range took {
			all += s
			if part := 0.4 * lasts.Seconds() / (others + 1); s < 0.95*part || s > 1.3*part {
				t.Errorf("greedy session %d took %.3f s of work; its part is %.3f", i, s, part)
			}
		}
		if most := 0.4 * (lasts.Seconds() + 2*ownSeconds); all > most || all < 0.9*0.4*lasts.Seconds() {
			t.Errorf("all greedy sessions took %.1f s of work; want nearly all of %.1f", all, most)
		}
		if _, now, ever := p.State(); now != 0 || ever == 0 {
			t.Errorf("%d batches are held, and %d were", now, ever)
		}
	})
}

// What sessions do not use of their parts is there for one that wants more.
func TestWhatIsLeftGoesToWhoWantsMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(Limits{All: 0.4}, clock())
		for range 99 {
			present(p)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		b := Load{Batches: 1, Bytes: 24 << 10, Messages: 128}
		if took := float64(greedy(ctx, present(p), b)) * b.cost(); took < 0.95*4 || took > 1.1*4 {
			t.Errorf("it took %.2f s of work in 10 s; all may take 4", took)
		}
	})
}

// A session that has sent all the time comes behind one that begins, also when parts are far too
// small for a batch.
func TestWhoBeginsComesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(Limits{All: 0.01}, clock())
		for range 1000 {
			present(p)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		b := Load{Batches: 1, Bytes: 64 << 10, Messages: 128}
		var wg sync.WaitGroup
		for range 20 {
			m := present(p)
			wg.Go(func() { greedy(ctx, m, b) })
		}
		time.Sleep(10 * time.Second)
		late := present(p)
		began := time.Now()
		if n := send(ctx, late, b, 2); n != 2 {
			t.Fatalf("it sent %d batches", n)
		}
		// One is of its own part, and before the other there is the one that was served last.
		if waited, turn := time.Since(began), time.Duration(b.cost()/0.01*float64(time.Second)); waited > 3*turn {
			t.Errorf("two batches waited %v; one takes %v, and 20 sessions wait", waited, turn)
		}
		cancel()
		wg.Wait()
		if len(p.queue) != 0 {
			t.Errorf("%d turns are left of those that have gone", len(p.queue))
		}
	})
}

// One session may send so many bytes and messages a second, all at once if it has sent nothing.
func TestLimitsOfOneSession(t *testing.T) {
	for _, c := range []struct {
		name   string
		limits Limits
		batch  Load
		least  int // batches in 10 s, and in the second before that it saves up
	}{
		{"none", Limits{}, Load{1, 1000, 1 << 20}, 0},
		{"messages", Limits{Messages: 1000}, Load{1, 100, 1 << 20}, 110},
		{"bytes", Limits{Bytes: 1 << 20}, Load{1, 100, 64 << 10}, 176},
		{"larger than a second's worth", Limits{Bytes: 1 << 10}, Load{1, 1, 1 << 10}, 11},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := NewPool(c.limits, clock())
				m := present(p)
				if c.least == 0 {
					for range 1_000_000 {
						if err := m.Take(t.Context(), c.batch); err != nil {
							t.Fatal(err)
						}
					}
					if _, _, ever := p.State(); ever != 0 {
						t.Errorf("%d batches were held", ever)
					}
					return
				}
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				if n := greedy(ctx, m, c.batch); n < c.least || n > c.least+1 {
					t.Errorf("it sent %d batches in 10 s; want %d", n, c.least)
				}
			})
		})
	}
}

// A batch that waits ends with its connection, whatever it waits for, and its turn with it.
func TestWhoGoesLeavesItsTurn(t *testing.T) {
	for name, limits := range map[string]Limits{"its own limit": {Messages: 1}, "its turn": {All: 1e-3}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := NewPool(limits, clock())
				m := present(p)
				ctx, cancel := context.WithCancelCause(t.Context())
				over := errors.New("over")
				time.AfterFunc(time.Second, func() { cancel(over) })
				for {
					if err := m.Take(ctx, Load{Batches: 1, Bytes: 8 << 20, Messages: 100_000}); err != nil {
						if !errors.Is(err, over) {
							t.Errorf("it ended with %v", err)
						}
						break
					}
				}
				if _, now, _ := p.State(); now != 0 || len(p.queue) != 0 {
					t.Errorf("%d batches are held, and %d turns are left", now, len(p.queue))
				}
			})
		})
	}
}

// Newcomers of one address that send as much as they can do not hold up one of another, and what is
// known of addresses is bounded.
func TestNewcomersCountForTheirAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(Limits{All: 0.01, Bytes: 32 << 20}, clock())
		n := NewNewcomers(p)
		ctx, cancel := context.WithCancel(t.Context())
		hello := Load{Batches: 1, Bytes: 1 << 20, Messages: 1}
		hostile := netip.MustParseAddr("192.0.2.1")
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() {
				for n.Take(ctx, hostile, hello) == nil {
				}
			})
		}
		time.Sleep(time.Minute)
		began := time.Now()
		small := Load{Batches: 1, Bytes: 100 << 10, Messages: 1}
		if err := n.Take(ctx, netip.MustParseAddr("192.0.2.2"), small); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(began); waited > 2*time.Duration(hello.cost()/0.01*float64(time.Second)) {
			t.Errorf("the Hello of another address waited %v", waited)
		}
		cancel()
		wg.Wait()
		free := NewNewcomers(NewPool(Limits{}, clock()))
		addr := netip.MustParseAddr("2001:db8::")
		for range 3 * maxSources {
			addr = addr.Next()
			if err := free.Take(t.Context(), addr, hello); err != nil {
				t.Fatal(err)
			}
		}
		if len(free.sources) > maxSources {
			t.Errorf("%d addresses are remembered; at most %d", len(free.sources), maxSources)
		}
	})
}

// Where bytes are scarce, all together send no more of them than there are, in equal parts, and what
// waited before is not stuck.
func TestWhereBytesAreScarce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(Limits{All: 0.4}, clock())
		ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
		defer cancel()
		b := Load{Batches: 1, Bytes: 24 << 10, Messages: 128}
		var took [3]int
		var wg sync.WaitGroup
		for i := range took {
			m := present(p)
			wg.Go(func() {
				early, stop := context.WithTimeout(ctx, 10*time.Second)
				defer stop()
				greedy(early, m, b)
				took[i] = greedy(ctx, m, b)
			})
		}
		time.Sleep(10*time.Second - time.Nanosecond)
		p.Scarce(1 << 20)
		wg.Wait()
		for i, n := range took { // who was behind in that moment may catch up first
			if bytes := n * b.Bytes; bytes < 8<<20 || bytes > 13<<20 {
				t.Errorf("session %d sent %d bytes; want its third of 30 MiB", i, bytes)
			}
		}
	})
}

// However slow the journal is, only little of what greedy sessions send is on its way, and a session
// that sends little does not wait for it.
func TestASlowJournalHoldsUpThoseThatSendMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(Limits{All: 1000}, clock()) // far more than it takes
		for range 100_000 {
			present(p)
		}
		ctx, cancel := context.WithCancel(t.Context())
		l := Load{Batches: 1, Messages: 128, Bytes: 24 << 10}
		var flight, most atomic.Int64
		var wg sync.WaitGroup
		for range 14 {
			m := present(p)
			wg.Go(func() {
				for m.Take(ctx, l) == nil {
					most.Store(max(most.Load(), flight.Add(1)))
					time.Sleep(time.Second) // as long as the journal takes
					flight.Add(-1)
					m.Done(l)
				}
			})
		}
		time.Sleep(time.Minute)
		most.Store(0)
		time.Sleep(time.Minute)
		if least := int64(14 + inFlight/l.cost()); most.Load() > least {
			t.Errorf("%d batches were on their way at a time; want one of each session, and few more: %d", most.Load(),
				least)
		}
		began := time.Now()
		if send(ctx, present(p), l, 1); time.Since(began) != 0 {
			t.Errorf("a session that sends little waited %v", time.Since(began))
		}
		cancel()
		wg.Wait()
	})
}
