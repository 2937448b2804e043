package campaign

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/fleet"
)

// newDesk returns a desk without agents, which begins no run.
func newDesk(t *testing.T) *Desk {
	t.Helper()
	d := NewDesk()
	d.Fleet, d.Log = fleet.New(time.Now), slog.New(slog.DiscardHandler)
	d.Store = Store{Path: filepath.Join(t.TempDir(), "jobs")}
	return d
}

func jobFor(wait time.Duration) *bulkheadv1.RunJobRequest {
	return &bulkheadv1.RunJobRequest{WaitNano: int64(wait), Job: &bulkheadv1.Job{Name: "j",
		Clients: []*bulkheadv1.JobEntry{{All: true}}}}
}

// A supervisor that has ended takes no job, of which nobody would ever hear again; one that leaves its jobs
// to another says so.
func TestNoJobIsTakenAfterTheEnd(t *testing.T) {
	for inOrder, want := range map[bool]error{true: ErrEnded, false: ErrLeft} {
		d := newDesk(t)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		d.Run(ctx)
		d.Leave(inOrder)
		if _, err := d.Take(jobFor(0), false); !errors.Is(err, want) {
			t.Errorf("in order %t: a job is taken, %v; want %v", inOrder, err, want)
		}
	}
}

// The first that is told of a job is its id, by which it can be asked for, and stopped; no other is stopped
// for it.
func TestAJobIsKnownByItsID(t *testing.T) {
	d := newDesk(t)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { // ends with ctx
		defer close(ended)
		d.Run(ctx)
	}()
	defer func() { cancel(); <-ended }()
	o, err := d.Take(jobFor(time.Hour), false)
	if err != nil {
		t.Fatal(err)
	}
	ids := make(chan string, 1)
	over := make(chan error)
	go func() { // ends with the job
		over <- o.Follow(ctx, func(e *bulkheadv1.JobEvent) error {
			if e.GetTaken() != nil {
				ids <- e.GetTaken().GetJobId()
			}
			return nil
		})
	}()
	id := <-ids
	if found, err := d.Find(id); found != o || err != nil {
		t.Errorf("Find of its id: %v, %v", found, err)
	}
	if _, err := d.Find(id + "0"); !errors.Is(err, ErrUnknown) {
		t.Errorf("Find of nobody's id: %v", err)
	}
	if err := d.Stop(id+"0", "another's"); !errors.Is(err, ErrNoJob) {
		t.Errorf("another's id has stopped it: %v", err)
	}
	select {
	case err := <-over:
		t.Fatalf("it is over: %v", err)
	default:
	}
	if err := d.Stop(id, "its own"); err != nil {
		t.Error(err)
	}
	if err := <-over; !errors.Is(err, errEndedBefore) {
		t.Errorf("it ended with %v", err)
	}
}

// A job that had a run is not taken again once another has followed it; one that was saved as its supervisor
// was killed, and is not the latest, is.
func TestAJobThatWasFollowed(t *testing.T) {
	d := newDesk(t)
	for _, id := range []string{"20260101T000000Z-aaaaaa", "20260102T000000Z-aaaaaa"} {
		if err := d.Store.save(&bulkheadv1.Campaign{Id: id, Job: &bulkheadv1.Job{Name: "j"}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Store.create(d.Store.folder("20260103T000000Z-aaaaaa"), &bulkheadv1.Campaign{}); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]error{
		"20260101T000000Z-aaaaaa": ErrFollowed, "20260103T000000Z-aaaaaa": ErrUnknown,
		"20260101T000000Z-bbbbbb": ErrUnknown, "../jobs": ErrUnknown, "": ErrUnknown,
	} {
		if _, err := d.Find(id); !errors.Is(err, want) {
			t.Errorf("Find(%q): %v; want %v", id, err, want)
		}
	}
}
