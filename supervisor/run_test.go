package supervisor

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"bulkhead/internal/config"
	"bulkhead/internal/config/value"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/attendance"
	"bulkhead/supervisor/cluster"
	"bulkhead/supervisor/cluster/single"
	"bulkhead/supervisor/door"
	"bulkhead/supervisor/journal"
	"bulkhead/supervisor/share"
)

// notedJournal keeps what is appended in memory.
type notedJournal struct{ recs []*bulkheadv1.Record }

func (j *notedJournal) Append(_ context.Context, recs ...*bulkheadv1.Record) error {
	j.recs = append(j.recs, recs...)
	return nil
}

func (j *notedJournal) Close() error { return nil }

// unshared returns a pool through which anybody may send as much as they can.
func unshared() *share.Pool { return share.NewPool(share.Limits{}, func() time.Duration { return 0 }) }

// bareRun returns a run without clients or handlers.
func bareRun(j journal.Journal, linger time.Duration) *run {
	return &run{
		shares: unshared(), journalled: func() int64 { return 0 },
		cfg: Config{Supervisor: config.Supervisor{Linger: linger}}, cycle: lifecycle{expected: 1},
		register: attendance.New(1, nil), book: single.On("", j, 0), log: slog.New(slog.DiscardHandler),
		life: make(chan struct{}, 1), failed: make(chan error, 1), links: make(map[*link]struct{}),
		gate:     door.NewGate(config.Overload{Startups: value.Startups{Start: 1, Rate: 100, Full: 1}}, rand.IntN),
		farewell: door.NewFarewell(),
		procCtx:  context.Background(), stopProc: func() {},
	}
}

// openedBy gives a session of a client its part of the journal.
func (p *processor) openedBy(t testing.TB, r *run, hello *bulkheadv1.Hello) *processor {
	t.Helper()
	var err error
	p.book, _, err = r.book.Open(t.Context(), cluster.Hello{Client: hello.GetClientId(),
		Opened: &bulkheadv1.SessionOpened{Hello: hello}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// happen changes the run's lifecycle.
func (r *run) happen(what func(*lifecycle)) {
	r.mu.Lock()
	what(&r.cycle)
	r.mu.Unlock()
	r.wake()
}

// TestLingerIsExtended follows a run by the clock: it ends the linger time after
// the last client, and a client that comes within it begins it anew.
func TestLingerIsExtended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const linger = 10 * time.Second
		r := bareRun(&notedJournal{}, linger)
		over := make(chan error, 1)
		go func() { over <- r.await(t.Context()) }()
		continues := func(when string) {
			t.Helper()
			synctest.Wait()
			select {
			case err := <-over:
				t.Fatalf("the run is over %s: %v", when, err)
			default:
			}
		}
		time.Sleep(time.Hour) // of the bubble's clock, as all times here
		continues("before anybody came")
		r.happen(joins)
		time.Sleep(time.Hour)
		continues("while its client is at work")
		r.happen((*lifecycle).sessionEnded)
		time.Sleep(linger - time.Millisecond)
		continues("before the linger time")
		r.happen(joins)
		time.Sleep(time.Hour)
		continues("while a second client is at work")
		r.happen((*lifecycle).sessionEnded)
		time.Sleep(linger - time.Millisecond)
		continues("before the linger time after the second client")
		time.Sleep(time.Millisecond)
		if err := <-over; err != nil || !r.closing {
			t.Errorf("the run ended with %v, closing %v; want in order and closed to new clients", err, r.closing)
		}
	})
}

func TestAwaitEndsForEveryReason(t *testing.T) {
	stop, broken := errors.New("stop"), errors.New("broken")
	for _, tt := range []struct {
		name string
		do   func(*run, context.CancelCauseFunc)
		want error
	}{
		{"a drain with nobody there", func(r *run, _ context.CancelCauseFunc) {
			r.startDrain(bulkheadv1.DrainCause_DRAIN_CAUSE_OPERATOR, "test")
		}, nil},
		{"a journal that fails", func(r *run, _ context.CancelCauseFunc) { r.failed <- broken }, broken},
		{"an end at once", func(_ *run, cut context.CancelCauseFunc) { cut(stop) }, stop},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := bareRun(&notedJournal{}, time.Second)
				ctx, cut := context.WithCancelCause(t.Context())
				defer cut(nil)
				over := make(chan error, 1)
				go func() { over <- r.await(ctx) }()
				synctest.Wait()
				tt.do(r, cut)
				if err := <-over; !errors.Is(err, tt.want) {
					t.Errorf("the run ended with %v; want %v", err, tt.want)
				}
			})
		})
	}
}

// A handler that dies in the pool after the run's last record is not the run's.
func TestNothingOfThePoolFollowsTheLastRecord(t *testing.T) {
	j := &notedJournal{}
	r := bareRun(j, 0)
	r.handlerDied(&bulkheadv1.HandlerExited{})
	r.end("over")
	r.handlerDied(&bulkheadv1.HandlerExited{})
	if len(j.recs) != 1 {
		t.Errorf("%d records; want the first alone", len(j.recs))
	}
}

// TestTheListenerIsLeftOpenForTheNextRun ends accepting at every moment, also
// before it has begun. The listener must accept again.
func TestTheListenerIsLeftOpenForTheNextRun(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	listener := l.(*net.TCPListener)
	for range 300 {
		r := bareRun(&notedJournal{}, 0)
		ctx, cancel := context.WithCancel(t.Context())
		go cancel()
		r.accept(ctx, listener)
		if c, err := dialAndAccept(listener); err != nil {
			t.Fatalf("the listener no longer accepts: %v", err)
		} else {
			c.Close()
		}
	}
}

// dialAndAccept connects to a listener and accepts that connection.
func dialAndAccept(l *net.TCPListener) (net.Conn, error) {
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return l.Accept()
}
