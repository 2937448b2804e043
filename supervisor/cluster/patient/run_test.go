package patient

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/cluster"
	"bulkhead/supervisor/cluster/contract"
	"bulkhead/supervisor/cluster/single"
	"bulkhead/supervisor/journal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// begin returns a run on a file.
func begin(t testing.TB) cluster.Run {
	t.Helper()
	r, err := single.Create(filepath.Join(t.TempDir(), "journal"), contract.Started("run"), journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func on(t testing.TB, inner cluster.Run) *Run {
	t.Helper()
	r := On(inner, slog.New(slog.DiscardHandler))
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func TestContract(t *testing.T) {
	contract.Test(t, func(t *testing.T) contract.Joiner {
		return contract.Joiner{Alone: true, Join: func(t testing.TB) cluster.Run { return on(t, begin(t)) }}
	})
}

// flaky is an engine that is out of reach while away is set: what it is asked then it may have done, or
// not.
type flaky struct {
	cluster.Run
	away  atomic.Bool
	calls atomic.Int32
	asked chan struct{} // receives, if it has room, when something was asked while it is away
}

func (f *flaky) try(do func() error) error {
	if f.away.Load() {
		var err error
		if f.calls.Add(1)%2 == 0 {
			err = do()
		}
		select {
		case f.asked <- struct{}{}:
		default:
		}
		return errors.Join(cluster.ErrUnavailable, err)
	}
	return do()
}

func (f *flaky) Note(ctx context.Context, recs ...*bulkheadv1.Record) error {
	if f.away.Load() {
		return f.try(func() error { return nil })
	}
	return f.Run.Note(ctx, recs...)
}

func (f *flaky) Open(ctx context.Context, h cluster.Hello) (l cluster.Log, head cluster.Head, err error) {
	err = f.try(func() error {
		l, head, err = f.Run.Open(ctx, h)
		return err
	})
	return l, head, err
}

// What comes while the engine is away is there when it is back, once, and the time is a record.
func TestAnEngineThatIsAwayIsWaitedFor(t *testing.T) {
	f := &flaky{Run: begin(t), asked: make(chan struct{}, 1)}
	r := on(t, f)
	f.away.Store(true)
	var all sync.WaitGroup
	all.Go(func() {
		if _, h, err := r.Open(t.Context(), contract.Hello("one")); err != nil || h.Session != 1 {
			t.Errorf("session %d was opened: %v", h.Session, err)
		}
	})
	const notes = 20
	for i := range notes {
		all.Go(func() {
			if err := r.Note(t.Context(), shed(uint64(i))); err != nil {
				t.Error(err)
			}
		})
	}
	for r.Outage() == 0 {
		<-f.asked
	}
	f.away.Store(false)
	all.Wait()
	if r.Outage() != 0 {
		t.Error("the engine is still said to be away")
	}
	r.tasks.Wait()
	seen, outages := make(map[uint64]int), 0
	for _, rec := range contract.Collected(t, r) {
		if s := rec.GetConnectionsShed(); s != nil {
			seen[s.GetCount()]++
		}
		if rec.GetJournalUnavailable().GetUnavailableNano() > 0 {
			outages++
		}
	}
	if len(seen) != notes || outages != 1 {
		t.Errorf("%d notes and %d outages are there: %v", len(seen), outages, seen)
	}
	for i, n := range seen {
		if n != 1 {
			t.Errorf("note %d is there %d times", i, n)
		}
	}
}

// slow is an engine that answers when it is let go on.
type slow struct {
	cluster.Run
	asked, goOn chan struct{}
	// notes and noted go to who writes them: the goroutines of a file are in no bubble, which would otherwise count
	// as deadlocked while one waits for them.
	notes chan []*bulkheadv1.Record
	noted chan error
}

// write writes notes until there are no more.
func (s *slow) write() {
	for recs := range s.notes {
		s.noted <- s.Run.Note(context.Background(), recs...)
	}
}

func (s *slow) Note(ctx context.Context, recs ...*bulkheadv1.Record) error {
	if s.asked != nil {
		s.asked <- struct{}{}
		over := cluster.Asks(ctx)
		select {
		case <-s.goOn:
		case <-ctx.Done():
			return cluster.ErrUnavailable
		}
		over()
	}
	s.notes <- recs
	return <-s.noted
}

// An engine that takes its time to answer, and then does, was away: that is known before the answer, and is
// a record. What a call waits for before it asks the engine is not.
func TestAnEngineThatIsSlowWasAway(t *testing.T) {
	inner := begin(t)
	s := &slow{Run: inner, notes: make(chan []*bulkheadv1.Record), noted: make(chan error)}
	go s.write() // ends with the notes
	defer close(s.notes)
	synctest.Test(t, func(t *testing.T) {
		s.asked, s.goOn = make(chan struct{}), make(chan struct{})
		r := On(s, slog.New(slog.DiscardHandler))
		noted := make(chan error)
		go func() { noted <- r.Note(t.Context(), shed(1)) }()
		time.Sleep(time.Minute) // of the bubble's clock: for others to ask
		if r.Outage() != 0 {
			t.Error("the engine is away, and was not asked")
		}
		<-s.asked
		synctest.Wait()
		time.Sleep(noticed - time.Millisecond)
		if r.Outage() != 0 {
			t.Error("the engine is away too early")
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if r.Outage() == 0 || r.Missed() == 0 {
			t.Error("the engine is not away")
		}
		asked := s.asked
		s.asked = nil // the record is written at once
		close(s.goOn)
		if err := <-noted; err != nil {
			t.Error(err)
		}
		r.tasks.Wait()
		missed := r.Missed()
		if r.Outage() != 0 || missed == 0 {
			t.Errorf("the engine is away for %v, and was for %v", r.Outage(), missed)
		}
		s.asked, s.goOn = asked, make(chan struct{})
		go func() { noted <- r.Note(t.Context(), shed(2)) }()
		<-asked
		r.GiveUp()
		if err := <-noted; !errors.Is(err, cluster.ErrUnavailable) {
			t.Errorf("a note that was given up: %v", err)
		}
		if r.Missed() != missed {
			t.Error("what was given up at once counts as away")
		}
	})
	outages := 0
	for _, rec := range contract.Collected(t, inner) {
		if rec.GetJournalUnavailable() != nil {
			outages++
		}
	}
	if outages != 1 {
		t.Errorf("%d outages are in the run", outages)
	}
	if err := inner.Close(); err != nil {
		t.Error(err)
	}
}

// Who waits for an engine that does not come back is told so by GiveUp.
func TestGivingUp(t *testing.T) {
	f := &flaky{Run: begin(t), asked: make(chan struct{}, 1)}
	r := on(t, f)
	f.away.Store(true)
	ended := make(chan error)
	go func() { ended <- r.Note(t.Context(), shed(1)) }()
	<-f.asked
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := r.Open(ctx, contract.Hello("one")); !errors.Is(err, cluster.ErrUnavailable) {
		t.Errorf("who does not want to wait: %v", err)
	}
	r.GiveUp()
	if err := <-ended; !errors.Is(err, cluster.ErrUnavailable) {
		t.Errorf("the note: %v", err)
	}
}

// A record that is refused takes none of the others with it that were written together.
func TestARefusedNoteIsRefusedAlone(t *testing.T) {
	r := on(t, begin(t))
	results := make(chan error)
	const notes = 50
	for i := range notes {
		go func() {
			rec := shed(uint64(i))
			if i == 7 {
				rec = &bulkheadv1.Record{}
			}
			err := r.Note(t.Context(), rec)
			if want := i == 7; errors.Is(err, cluster.ErrRefused) != want || err != nil && !want {
				err = fmt.Errorf("note %d: %w", i, err)
			} else {
				err = nil
			}
			results <- err
		}()
	}
	for range notes {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}

func shed(n uint64) *bulkheadv1.Record {
	return &bulkheadv1.Record{Entry: &bulkheadv1.Record_ConnectionsShed{
		ConnectionsShed: &bulkheadv1.ConnectionsShed{Count: n, Reason: "overload"}}}
}
