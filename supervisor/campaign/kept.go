package campaign

import (
	"log/slog"
	"slices"
	"sync"

	"google.golang.org/protobuf/proto"

	"bulkhead/internal/config"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// kept is a campaign with what is durable of it: from its first run on, all that another supervisor
// needs to go on with it.
type kept struct {
	store Store
	log   *slog.Logger
	job   *bulkheadv1.Job
	id    string

	mu    sync.Mutex
	is    *bulkheadv1.Campaign // guarded by mu
	saved bool                 // guarded by mu
}

func keep(s Store, c *bulkheadv1.Campaign, saved bool, log *slog.Logger) *kept {
	return &kept{store: s, log: log, job: c.GetJob(), id: c.GetId(), is: c, saved: saved}
}

// now returns a copy.
func (k *kept) now() *bulkheadv1.Campaign {
	k.mu.Lock()
	defer k.mu.Unlock()
	return proto.CloneOf(k.is)
}

// dir returns the campaign's folder.
func (k *kept) dir() string { return k.store.folder(k.id) }

// note makes durable that a run is about to begin.
func (k *kept) note(number uint32, runID string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	runs := slices.Clone(k.is.GetRuns())
	if n := len(runs); n > 0 && runs[n-1].GetNumber() == number {
		runs = runs[:n-1] // it did not begin
	}
	before := k.is.Runs
	k.is.Runs = append(runs, &bulkheadv1.CampaignRun{Number: number, RunId: runID})
	if err := k.store.save(k.is); err != nil {
		k.is.Runs = before
		return err
	}
	k.saved = true
	return nil
}

// set changes the campaign, and saves it if a run of it was begun.
func (k *kept) set(change func(*bulkheadv1.Campaign)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	change(k.is)
	if !k.saved {
		return
	}
	if err := k.store.save(k.is); err != nil {
		k.log.Error("a supervisor that is started now would go on with the job otherwise", "error", err)
	}
}

// begun returns the number of the run that was begun last; 0 for none.
func (k *kept) begun() uint32 {
	runs := k.now().GetRuns()
	if len(runs) == 0 {
		return 0
	}
	return runs[len(runs)-1].GetNumber()
}

// of returns how many runs the job has.
func (k *kept) of() uint32 { return min(max(k.job.GetRepeat(), 1), config.MaxRepeat) }
