package faults_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/journal"
	"bulkhead/supervisor/report/fold"
)

// fleetRate is what three clients of a consumer each write together, and fleetPart one of them.
const (
	fleetPart = 1 << 20
	fleetRate = 3 * fleetPart
)

// ratePoints are where a supervisor is killed that divides the rate again, because a client was lost: before
// and after that is durable, and when none or one of the others was told.
var ratePoints = []string{"", "before-rate-divided=kill@2", "after-rate-divided=kill@2",
	"before-rate-share-sent=kill@4", "after-rate-share-sent=kill@4"}

// TestAFleetsRateIsDividedAgain kills one of three clients: the others write its part when it is lost, also if
// the supervisor is killed as it divides the rate.
func TestAFleetsRateIsDividedAgain(t *testing.T) {
	for _, point := range ratePoints {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			w := newRatedFleet(t, point)
			expect.NoError(t, syscall.Kill(w.agents["beta"].client(t), syscall.SIGKILL))
			if point != "" {
				select {
				case <-w.Done():
				case <-time.After(patience):
					t.Fatalf("the supervisor did not reach supervisor/%s", point)
				}
				// What a client was told, or is about to be, is durable before.
				if n := w.divisions(); n < 2 && !strings.HasPrefix(point, "before-rate-divided") {
					t.Errorf("at %s the journal has %d divisions", point, n)
				}
				w.again(false)
			}
			w.endRated()
			w.checkDivided()
		})
	}
}

// divisions returns how many divisions of the rate are in the journal.
func (w *fleetWorld) divisions() (n int) {
	_, err := journal.Replay(filepath.Join(w.runDir, "journal"), func(rec *bulkheadv1.Record) error {
		if rec.GetRateDivided() != nil {
			n++
		}
		return nil
	})
	expect.NoError(w.t, err)
	return n
}

// TestAnUpgradeKeepsTheParts upgrades the supervisor, and kills the handlers: clients that are away for a moment
// keep their parts, and nothing is divided before one of them is lost.
func TestAnUpgradeKeepsTheParts(t *testing.T) {
	t.Parallel()
	w := newRatedFleet(t, "")
	must1(w.upgrade())(t)
	for _, pid := range w.handlers() {
		_ = syscall.Kill(pid, syscall.SIGKILL) // each client is away for a moment
	}
	for _, name := range []string{"alpha", "beta", "gamma"} {
		w.session(name, func(s *bulkheadv1.SessionStatus) bool {
			return s.GetResumes() > 0 && s.GetState() == "active"
		})
	}
	expect.NoError(t, syscall.Kill(w.agents["beta"].client(t), syscall.SIGKILL))
	w.endRated()
	w.checkDivided()
}

// TestAnAgentThatJoinedIsKnownToTheNextSupervisor kills the supervisor of a run that an agent has joined: nobody
// else comes under the name of its client then.
func TestAnAgentThatJoinedIsKnownToTheNextSupervisor(t *testing.T) {
	t.Parallel()
	w := &fleetWorld{agents: make(map[string]*agentRunning), jobEnd: make(chan error, 1)}
	w.world = newWorld(t, settings{clients: 1, more: []string{"--keep-running"}})
	w.startAgent("alpha", w.Addr, "")
	w.runJob("job: joined\njoin: now\nclients: [{on: all}]\nload: {path: " + w.dir + "/alpha, runtime: 1h, " +
		"consumer_count: 1, chunk_size: 4KiB, file_size: 64KiB, keep_files: 1, rate: {bytes: 64KiB}}\n")
	w.session("alpha", serving)
	w.runDir = must1(filepath.EvalSymlinks(filepath.Join(w.StateDir, "runs", "latest")))(t)
	hello := rawclient.AgentHello("late")
	hello.Agent.GivesIds = true
	late := rawclient.NewAgent(rawclient.AgentConfig{Hello: hello, Addr: w.Addr,
		Client: func(context.Context, *bulkheadv1.Task) error { return nil }}) // which never comes
	gone := make(chan struct{})
	ctx, stop := context.WithCancel(w.world.ctx)
	go func() { late.Run(ctx); close(gone) }() // ends with ctx
	t.Cleanup(func() { stop(); <-gone })
	expect.Eventually(t, func() error {
		rep, err := fold.FromJournal(filepath.Join(w.runDir, "journal"))
		if err == nil && (rep.Run.Job == nil || len(rep.Run.Job.Clients) != 2) {
			err = errNotYet
		}
		return err
	})
	w.Kill()
	w.again(false)
	w.session("alpha", func(s *bulkheadv1.SessionStatus) bool { return s.GetState() == "active" })
	w.sender("late", w.Addr, nil)
	expect.Eventually(t, func() error {
		st, err := w.status()
		for _, s := range st.GetSessions() {
			if s.GetName() == "late" {
				t.Fatal("a stranger has come under the name of a client of the job")
			}
		}
		if err == nil && st.GetRejectedConnections() == 0 {
			err = errNotYet
		}
		return err
	})
}

// newRatedFleet starts a supervisor, three agents and a job with a rate, and waits until all write.
func newRatedFleet(t *testing.T, point string) *fleetWorld {
	t.Helper()
	set := settings{clients: 1, more: []string{"--keep-running"}, grace: time.Second}
	if point != "" {
		set.failpoints = "supervisor/" + point
	}
	w := &fleetWorld{agents: make(map[string]*agentRunning), jobEnd: make(chan error, 1)}
	w.world = newWorld(t, set)
	for _, name := range []string{"alpha", "beta", "gamma"} {
		w.startAgent(name, w.Addr, "")
	}
	w.awaitAgents()
	text := "job: rated\nfleet_rate: {bytes: " + fmt.Sprint(fleetRate) + "B}\nclients:\n"
	for _, name := range []string{"alpha", "beta", "gamma"} {
		text += fmt.Sprintf("- {on: {name: %[2]s}, load: {path: %[1]s/%[2]s}}\n", w.dir, name)
	}
	text += "load: {runtime: 15s, consumer_count: 1, chunk_size: 4KiB, file_size: 64KiB, keep_files: 1, " +
		"progress: {interval: 200ms}, heartbeat: {interval: 200ms, timeout: 100ms}}\ngather: {timeout: 60s}\n"
	w.runJob(text)
	for _, name := range []string{"alpha", "beta", "gamma"} {
		w.session(name, func(s *bulkheadv1.SessionStatus) bool { return s.GetBytes() > fleetPart })
	}
	w.runDir = must1(filepath.EvalSymlinks(filepath.Join(w.StateDir, "runs", "latest")))(t)
	return w
}

// runJob starts `bulkhead run`.
func (w *fleetWorld) runJob(text string) {
	w.t.Helper()
	file := filepath.Join(w.dir, "job.yaml")
	expect.NoError(w.t, os.WriteFile(file, []byte(text), 0o600))
	w.job = exec.Command(filepath.Join(w.bin, "bulkhead"), "run", "--wait", patience.String(), "--state-dir",
		w.StateDir, file)
	w.job.Stdout, w.job.Stderr = &w.said, &w.said
	expect.NoError(w.t, w.job.Start())
	ended := make(chan struct{})
	go func() { w.jobEnd <- w.job.Wait(); close(ended) }() // ends with the process
	w.t.Cleanup(func() {
		_ = w.job.Process.Kill()
		<-ended
		if w.t.Failed() {
			w.t.Logf("the job said:\n%s", tail(w.said.String()))
		}
	})
}

// endRated waits for the end of the job, of which a client was lost.
func (w *fleetWorld) endRated() {
	w.t.Helper()
	select {
	case <-w.jobEnd:
		if code := w.job.ProcessState.ExitCode(); code != exitPartial {
			w.t.Errorf("the job exited with %d; want %d", code, exitPartial)
		}
	case <-time.After(2 * patience):
		w.t.Fatal("the job does not end")
	}
}

// checkDivided checks that the rate was divided over three, then over two, each time to the byte, and that the
// two wrote so much by the clocks of their own intervals.
func (w *fleetWorld) checkDivided() {
	w.t.Helper()
	var divided []*bulkheadv1.RateDivided
	names := make(map[uint32]string)
	bytes, nanos := make(map[string]uint64), make(map[string]int64)
	skip := make(map[string]int)
	_, err := journal.Replay(filepath.Join(w.runDir, "journal"), func(r *bulkheadv1.Record) error {
		if d := r.GetRateDivided(); d != nil {
			divided = append(divided, d)
		}
		if o := r.GetSessionOpened(); o != nil {
			names[o.GetSession()] = o.GetHello().GetName()
		}
		if b := r.GetSessionBatch(); b != nil && len(divided) == 2 {
			var batch bulkheadv1.Batch
			if err := proto.Unmarshal(b.GetBatch(), &batch); err != nil {
				return err
			}
			for _, m := range batch.GetMessages() {
				name := names[b.GetSession()]
				if p := m.GetProgress(); p != nil {
					if skip[name]++; skip[name] > 10 { // those before it was told, and while the supervisor was dead
						bytes[name] += p.GetBytes()
						nanos[name] += p.GetIntervalNano()
					}
				}
			}
		}
		return nil
	})
	expect.NoError(w.t, err)
	if len(divided) < 2 {
		w.t.Fatalf("the rate was divided as %v; want it divided twice", divided)
	}
	for i, d := range divided[:2] {
		sum := uint64(0)
		for _, part := range d.GetParts() {
			sum += part.GetBytesPerSecond()
		}
		if len(d.GetParts()) != 3-i || sum != fleetRate || d.GetDivision() != uint32(i+1) {
			w.t.Errorf("division %d is %v; want %d parts of %d B/s", i+1, d, 3-i, fleetRate)
		}
	}
	for _, name := range []string{"alpha", "gamma"} {
		if nanos[name] < int64(time.Second) {
			w.t.Errorf("%s wrote for %s behind the second division", name, time.Duration(nanos[name]))
			continue
		}
		if rate := float64(bytes[name]) / time.Duration(nanos[name]).Seconds(); rate < 1.25*fleetPart ||
			rate > 1.75*fleetPart {
			w.t.Errorf("%s wrote %.0f B/s behind the second division; want %d", name, rate, fleetRate/2)
		}
	}
}
