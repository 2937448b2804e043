package jetstream

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"bulkhead/internal/testing/engine"
	"bulkhead/supervisor/cluster"
	"bulkhead/supervisor/cluster/contract"
)

var (
	stormSeed   = flag.Uint64("storm.seed", 1, "the seed of TestStorm")
	stormFaults = flag.Int("storm.faults", 3, "how many faults TestStorm makes")
)

// fighter is one supervisor's side of the fight for a session: it takes it, appends until it has had
// enough or has lost it, and takes it again. It never stops by itself, so each is a zombie often.
type fighter struct {
	run    *Run
	client string
	random *rand.Rand
	acked  *atomic.Int64
	taken  *atomic.Int64

	mu      sync.Mutex
	highest uint64 // guarded by mu; the last message that was acknowledged to it
}

func (f *fighter) fight(ctx context.Context, stop <-chan struct{}) error {
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		l, h, err := f.run.Open(ctx, contract.Hello(f.client))
		if errors.Is(err, cluster.ErrUnavailable) {
			continue
		}
		if err != nil {
			return err
		}
		f.taken.Add(1)
		if err := f.hold(ctx, l, h); err != nil && !errors.Is(err, cluster.ErrMoved) {
			return err
		}
	}
}

// hold appends to a session that was taken.
func (f *fighter) hold(ctx context.Context, l cluster.Log, h cluster.Head) error {
	defer l.Release()
	recs := slices.Clone(detachedIfAttached(h))
	next, rec := contract.Attached(h, f.run.Connection())
	if err := persist(ctx, l, next, append(recs, rec)...); err != nil {
		return err
	}
	for range 1 + f.random.IntN(12) {
		before := next.Durable
		after, rec := contract.Messages(next, 1+f.random.IntN(4), f.random.IntN(2000))
		if err := persist(ctx, l, after, rec); err != nil {
			return err
		}
		next = after
		f.mu.Lock()
		if f.highest > before {
			f.mu.Unlock()
			return fmt.Errorf("%s: %d was acknowledged, and then %d after %d", f.client, f.highest, next.Durable,
				before)
		}
		f.highest = next.Durable
		f.mu.Unlock()
		f.acked.Add(1)
	}
	return nil
}

// TestStorm lets two supervisors fight for each session while nodes are killed, stopped and started
// again, as the seed says. Afterwards each record that was acknowledged to anybody is there, once, and
// every replica is whole.
func TestStorm(t *testing.T) {
	long(t)
	t.Logf("go test -run TestStorm -storm.seed %d -storm.faults %d", *stormSeed, *stormFaults)
	random := rand.New(rand.NewPCG(*stormSeed, 0))
	c := engine.Start(t, engine.Options{})
	run := newRunID()
	a, b := joinRun(t, c, run), joinRun(t, c, run)
	var acked, taken atomic.Int64
	var fighters []*fighter
	for i := range 4 {
		for k, r := range []*Run{a, b} {
			fighters = append(fighters, &fighter{run: r, client: fmt.Sprint("client-", i), acked: &acked, taken: &taken,
				random: rand.New(rand.NewPCG(*stormSeed, uint64(1+2*i+k)))})
		}
	}
	stop, ended := make(chan struct{}), make(chan error, len(fighters))
	for _, f := range fighters {
		go func() { ended <- f.fight(t.Context(), stop) }()
	}
	progress(t, &acked, 20)
	for range *stormFaults {
		fault(t, c, random, func() { progress(t, &acked, 20) })
		c.Ready()
	}
	close(stop)
	for range fighters {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d records acknowledged, %d takeovers", acked.Load(), taken.Load())
	audit(t, c, a, fighters)
}

// fault breaks a node, waits until the others go on, and mends it.
func fault(t *testing.T, c *engine.Cluster, random *rand.Rand, goOn func()) {
	n := c.Nodes[random.IntN(len(c.Nodes))]
	switch random.IntN(3) {
	case 0:
		n.Kill()
	case 1:
		n.Terminate()
	case 2:
		if err := n.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		goOn()
		if err := n.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		return
	}
	goOn()
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
}

// audit ends the run, and compares what is there with what was acknowledged.
func audit(t *testing.T, c *engine.Cluster, r *Run, fighters []*fighter) {
	total := uint64(0)
	for _, f := range fighters {
		l, h, err := r.Open(t.Context(), contract.Hello(f.client))
		if err != nil {
			t.Fatal(err)
		}
		if h.Durable < f.highest {
			t.Errorf("%s: %d was acknowledged, and %d are there", f.client, f.highest, h.Durable)
		}
		if h.Ended() { // as the other fighter's
			continue
		}
		total += h.Durable
		h, over := contract.Over(h)
		if err := persist(t.Context(), l, h, over); err != nil {
			t.Fatal(err)
		}
	}
	endRun(t, r)
	if report := contract.Checked(t, contract.Collected(t, r)); report.Messages != total || report.Sessions != 4 {
		t.Errorf("%d messages of %d sessions are there; the heads say %d", report.Messages, report.Sessions, total)
	}
	damage, unseen, err := Examine(t.Context(), sourceOf(c, r.names.run))
	if err != nil || len(damage) > 0 || len(unseen) > 0 {
		t.Errorf("replicas: %v, %v: %v", damage, unseen, err)
	}
}
