package faults_test

import (
	"context"
	"flag"
	"math/rand/v2"
	"os/exec"
	"slices"
	"testing"
	"time"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

var (
	fleetAll  = flag.Bool("fleet.all", false, "run every cell of the fleet's matrix, and not a few")
	fleetSeed = flag.Uint64("fleet.seed", 20261130, "what follows from which cells are run")
)

// fleetFew is how many cells are run where not all are: one for each target, and some.
const fleetFew = 8

// TestFleetMatrix runs cells of the fleet's matrix: with -args -fleet.all all of them, one by its name.
func TestFleetMatrix(t *testing.T) {
	cells := fleetCells()
	if !*fleetAll {
		random := rand.New(rand.NewPCG(*fleetSeed, 0))
		random.Shuffle(len(cells), func(i, k int) { cells[i], cells[k] = cells[k], cells[i] })
		few := cells[:0:0]
		for _, c := range cells { // one of each target first
			if !slices.ContainsFunc(few, func(f fleetCell) bool { return f.target == c.target }) {
				few = append(few, c)
			}
		}
		for _, c := range cells {
			if len(few) < fleetFew && !slices.Contains(few, c) {
				few = append(few, c)
			}
		}
		t.Logf("seed %d", *fleetSeed)
		cells = few
	}
	for _, c := range cells {
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			runFleetCell(t, c)
		})
	}
}

// fleetWorld is a running cell of the fleet's matrix.
type fleetWorld struct {
	*world
	fleetCell
	agents map[string]*agentRunning
	path   *harness.Path // between beta and the supervisor
	peer   string        // beta's agent's address
	gamma  gate
	ctx    context.Context // of gamma
	job    *exec.Cmd
	said   safeBuffer // by `bulkhead run`
	jobEnd chan error
}

// runFleetCell runs one cell.
func runFleetCell(t *testing.T, c fleetCell) {
	w := &fleetWorld{fleetCell: c, agents: make(map[string]*agentRunning), jobEnd: make(chan error, 1)}
	w.gamma.open = make(chan struct{})
	w.begin(t)
	if c.moment == waiting {
		w.findPeer()
		w.disturb()
	}
	w.startJob()
	if c.moment != waiting {
		release := w.reach()
		w.disturb()
		release()
	}
	w.gamma.release()
	w.check()
}

// begin starts the supervisor and its agents.
func (w *fleetWorld) begin(t *testing.T) {
	set := settings{clients: 1, more: []string{"--keep-running"}, clientTimeout: 3 * time.Second}
	if w.want.first == lost || w.want.first == anyEnd {
		set.grace = 2 * time.Second
	}
	if w.fault == sigstop && w.target == agentHandler {
		set.more = append(set.more, "--handler-hang-timeout", "1500ms")
	}
	betas := ""
	switch w.moment {
	case atDecision:
		set.failpoints = "supervisor/ready-durable=stop@3"
	case checking:
		set.failpoints, betas = "supervisor/none=kill", "agent/checking=stop@1" // for the program that has points
	}
	w.world = newWorld(t, set)
	w.path = must1(harness.NewPath(w.Addr))(t)
	t.Cleanup(w.path.Close)
	var stop context.CancelFunc
	w.ctx, stop = context.WithCancel(w.world.ctx)
	gone := make(chan struct{})
	t.Cleanup(func() { stop(); <-gone })
	gamma := rawclient.NewAgent(rawclient.AgentConfig{Hello: rawclient.AgentHello("gamma"), Addr: w.Addr,
		Client: func(ctx context.Context, task *bulkheadv1.Task) error {
			ctx, end := context.WithCancel(ctx)
			defer end()
			defer context.AfterFunc(w.ctx, end)()
			hello := rawclient.Hello(task.GetClientName())
			return rawclient.Load(ctx, w.addr, hello, 30, 100*time.Millisecond, func(s rawclient.Stage) error {
				if s == rawclient.Joined {
					select {
					case <-w.gamma.open:
					case <-ctx.Done():
					}
				}
				return nil
			})
		}})
	go func() { gamma.Run(w.ctx); close(gone) }() // ends with w.ctx
	w.startAgent("alpha", w.Addr, "")
	w.startAgent("beta", w.path.Addr(), betas)
	w.awaitAgents()
}
