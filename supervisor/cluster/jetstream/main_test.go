package jetstream

import (
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"bulkhead/internal/testing/engine"
	"bulkhead/supervisor/cluster"
	"bulkhead/supervisor/cluster/contract"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// runs numbers the runs of this process.
var runs atomic.Int32

func newRunID() string { return fmt.Sprintf("run-%d-%d", os.Getpid(), runs.Add(1)) }

func configOf(c *engine.Cluster, run string) Config {
	return Config{Run: run, URLs: c.URLs(), Started: contract.Started(run), Shards: 2, Replicas: len(c.Nodes),
		Patience: 40 * time.Second}
}

// joinRun joins a run, and leaves it when the test ends.
func joinRun(t testing.TB, c *engine.Cluster, run string, change ...func(*Config)) *Run {
	t.Helper()
	cfg := configOf(c, run)
	for _, f := range change {
		f(&cfg)
	}
	r, err := Join(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func TestContract(t *testing.T) {
	c := engine.Start(t, engine.Options{})
	contract.Test(t, func(*testing.T) contract.Joiner {
		run := newRunID()
		return contract.Joiner{Join: func(t testing.TB) cluster.Run { return joinRun(t, c, run) }}
	})
}

// long leaves a test out with -short: it waits for elections, and what it does at once others do too.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("it waits for elections")
	}
}
