package faults_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/control"
	"bulkhead/supervisor/journal"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/fold"
)

var (
	crowdAgents = flag.Int("crowd.agents", 12, "how many agents TestACrowdOfAgents plays")
	crowdSeed   = flag.Uint64("crowd.seed", 20261130, "what follows from which of them are killed, and when")
)

// errKilled ends an agent and its client, as SIGKILL to both would.
var errKilled = errors.New("killed")

// crowdMember is an agent that the test plays, with its client.
type crowdMember struct {
	name   string
	killed bool            // in the first run, or before it
	at     rawclient.Stage // then; beforeJoin is as its task comes
	ctx    context.Context // its life
	die    context.CancelFunc
}

const beforeJoin = rawclient.Stage(-1)

// reached kills the member where that is its fate.
func (m *crowdMember) reached(s rawclient.Stage) error {
	if m.killed && s == m.at {
		m.die()
		return errKilled
	}
	return nil
}

// TestACrowdOfAgents has a job of two runs on all agents of a crowd, a third of which die in the first,
// each at a moment of its own: every client is accounted for in both, with what it sent, and the second
// run is that of those that are left.
func TestACrowdOfAgents(t *testing.T) {
	t.Parallel()
	n, random := *crowdAgents, rand.New(rand.NewPCG(*crowdSeed, 0))
	w := newWorld(t, settings{clients: 1, grace: 2 * time.Second, more: []string{"--keep-running",
		"--overload-max-per-source", "0"}})
	ctx, cancel := context.WithCancel(w.ctx)
	var all sync.WaitGroup
	t.Cleanup(all.Wait)
	t.Cleanup(cancel)
	members := make([]*crowdMember, n)
	for i, at := range random.Perm(n) {
		m := &crowdMember{name: fmt.Sprintf("n%03d", at), killed: i < n/3,
			at: rawclient.Stage(random.IntN(int(rawclient.Half)+2)) + beforeJoin}
		m.ctx, m.die = context.WithCancel(ctx)
		members[at] = m
		agent := rawclient.NewAgent(rawclient.AgentConfig{Hello: rawclient.AgentHello(m.name), Addr: w.addr,
			Client: func(ctx context.Context, task *bulkheadv1.Task) error {
				ctx, end := context.WithCancel(ctx)
				defer end()
				defer context.AfterFunc(m.ctx, end)()
				if err := m.reached(beforeJoin); err != nil {
					return err
				}
				return rawclient.Load(ctx, w.addr, rawclient.Hello(task.GetClientName()), 40, time.Millisecond,
					m.reached)
			}})
		all.Go(func() { agent.Run(m.ctx) }) // ends with the member
		if m.killed {
			t.Logf("seed %d: %s is killed at stage %d", *crowdSeed, m.name, m.at)
		}
	}
	expect.Eventually(t, func() error {
		st, err := w.status()
		if err == nil && len(st.GetAgents()) != n {
			err = fmt.Errorf("%d agents are there; want %d", len(st.GetAgents()), n)
		}
		return err
	})
	runs := w.runCrowd(2)
	if len(runs) != 2 {
		t.Fatalf("%d runs were made; want 2", len(runs))
	}
	for i, dir := range runs {
		checkCrowd(t, dir, members, i == 0)
	}
	cancel()
	all.Wait()
	w.drain()
	_, err := w.Wait(patience)
	expect.NoError(t, err)
	made, err := filepath.Glob(filepath.Join(w.StateDir, "runs", "2*"))
	expect.NoError(t, err)
	w.nothingLeft(false, made...) // a run to which an agent came that ended in its Hello stays, too
}

// runCrowd runs a job on all agents, and returns the folders of its runs.
func (w *world) runCrowd(repeat uint32) (dirs []string) {
	w.t.Helper()
	c, err := control.Dial(w.ctx, w.StateDir)
	expect.NoError(w.t, err)
	defer c.Close()
	stream, err := c.RunJob(w.ctx, &bulkheadv1.RunJobRequest{WaitNano: int64(patience), Job: &bulkheadv1.Job{
		Name: "crowd", Repeat: repeat, GatherTimeoutNano: int64(4 * time.Second), StartIfShort: true,
		Clients: []*bulkheadv1.JobEntry{{All: true, Load: []byte("path: /nowhere\n")}}}})
	expect.NoError(w.t, err)
	for {
		e, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return dirs
		}
		expect.NoError(w.t, err)
		if e.GetDrained() != "" {
			w.t.Errorf("a run was drained: %s", e.GetDrained())
		}
		if ended := e.GetEnded(); ended != nil {
			dirs = append(dirs, ended.GetRunDir())
		}
	}
}

// checkCrowd checks that a run accounts for every member that it was begun for.
func checkCrowd(t *testing.T, dir string, members []*crowdMember, first bool) {
	t.Helper()
	checked, err := journal.Check(filepath.Join(dir, "journal"))
	expect.NoError(t, err)
	if err := checked.Err(); err != nil {
		t.Error(err)
	}
	rep, err := fold.FromJournal(filepath.Join(dir, "journal"))
	expect.NoError(t, err)
	if _, err := os.Stat(filepath.Join(dir, "report.json")); err != nil {
		t.Error(err)
	}
	want := 0
	for _, m := range members {
		if !first && m.killed {
			continue
		}
		want++
		var of []*report.Client
		for i := range rep.Clients {
			if rep.Clients[i].Name == m.name {
				of = append(of, &rep.Clients[i])
			}
		}
		absent := slices.Contains(rep.Run.AbsentNames, m.name)
		switch {
		case m.killed && m.at == beforeJoin:
			if len(of) > 0 || !absent {
				t.Errorf("%s, which was killed before it came, has %d sessions; absent: %t", m.name, len(of), absent)
			}
		case len(of) != 1 || absent:
			t.Errorf("%s has %d sessions; absent: %t", m.name, len(of), absent)
		case m.killed && of[0].Outcome != report.OutcomeLost:
			t.Errorf("%s, which was killed, is %s (%s)", m.name, of[0].Outcome, of[0].Cause)
		case !m.killed && (of[0].Outcome != report.OutcomeClosed || of[0].Bytes != 40*64<<20):
			t.Errorf("%s is %s (%s) and wrote %d bytes", m.name, of[0].Outcome, of[0].Cause, of[0].Bytes)
		}
	}
	if got := len(rep.Run.ExpectedNames); got != want {
		t.Errorf("the run was begun for %d clients; want %d", got, want)
	}
	if g := rep.Run.Gather; g == nil || g.End == report.GatherAborted {
		t.Errorf("the gather is %+v", g)
	}
	if first && rep.Verdict.Word != report.WordPartial {
		t.Errorf("the verdict is %+v; want it partial", rep.Verdict)
	}
}
