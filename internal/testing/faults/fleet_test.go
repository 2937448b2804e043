package faults_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"bulkhead/internal/exitstatus"
	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/journal"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/fold"
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

// gate holds gamma's client, which joins last, until it is opened.
type gate struct {
	open chan struct{}
	once sync.Once
}

func (g *gate) release() { g.once.Do(func() { close(g.open) }) }

// safeBuffer is a buffer that a process writes to while it is read.
type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// agentRunning is a `bulkhead agent`.
type agentRunning struct {
	*exec.Cmd
	log  safeBuffer
	done chan struct{}
}

// startAgent starts an agent; points are its failpoints.
func (w *fleetWorld) startAgent(name, addr, points string) *agentRunning {
	w.t.Helper()
	dir, work := filepath.Join(w.dir, name), filepath.Join(w.dir, "w-"+name)
	expect.NoError(w.t, errors.Join(os.MkdirAll(dir, 0o755), os.MkdirAll(work, 0o700)))
	a := &agentRunning{done: make(chan struct{}), Cmd: exec.Command(filepath.Join(w.bin, "bulkhead"), "agent",
		"--supervisor", addr, "--name", name, "--allow", dir+":100MiB", "--work-dir", work)}
	a.Stdout, a.Stderr, a.Env = &a.log, &a.log, os.Environ()
	if points != "" {
		a.Env = append(a.Env, "BULKHEAD_FAILPOINTS="+points)
	}
	a.WaitDelay = 5 * time.Second // a client that outlives it holds the log
	expect.NoError(w.t, a.Start())
	go func() { _ = a.Wait(); close(a.done) }() // ends with the process
	w.agents[name] = a
	w.t.Cleanup(func() {
		_ = a.Process.Signal(syscall.SIGCONT)
		_ = a.Process.Kill()
		<-a.done
		if w.t.Failed() {
			w.t.Logf("agent %s said:\n%s", name, tail(a.log.String()))
		}
	})
	return a
}

// await waits for the end of an agent.
func (a *agentRunning) await(t *testing.T) {
	t.Helper()
	select {
	case <-a.done:
	case <-time.After(patience):
		t.Fatal("the agent does not end")
	}
}

// client returns the process of an agent's client.
func (a *agentRunning) client(t *testing.T) (pid int) {
	t.Helper()
	expect.Eventually(t, func() error {
		pids, err := harness.Children(a.Process.Pid, "")
		if err == nil && len(pids) != 1 {
			err = fmt.Errorf("the agent has the children %v; want its client", pids)
		}
		if err == nil {
			pid = pids[0]
		}
		return err
	})
	return pid
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

// awaitAgents waits until all are connected.
func (w *fleetWorld) awaitAgents() {
	w.t.Helper()
	expect.Eventually(w.t, func() error {
		st, err := w.status()
		there := 0
		for _, a := range st.GetAgents() {
			if !a.GetAway() {
				there++
			}
		}
		if err == nil && there != 3 {
			err = fmt.Errorf("the agents are %v; want three connected", st.GetAgents())
		}
		return err
	})
}

// startJob starts `bulkhead run`.
func (w *fleetWorld) startJob() {
	const load = "{runtime: 3s, consumer_count: 1, chunk_size: 4KiB, file_size: 64KiB, rate: {bytes: 1MiB}, " +
		"progress: {interval: 100ms}, heartbeat: {interval: 200ms, timeout: 100ms}}"
	file := filepath.Join(w.dir, "job.yaml")
	gather := "60s"
	if w.want.first != closed && (w.moment == inGather || w.moment == atDecision) {
		gather = "8s" // it is aborted
	}
	pause := "2s"
	if w.moment == betweenRuns {
		pause = "10s" // in which the report is seen, agents come back, and the fault is made
	}
	text := fmt.Sprintf("job: fleet\nclients:\n- {on: {name: alpha}, load: {path: %[1]s/alpha}}\n"+
		"- {on: {name: beta}, load: {path: %[1]s/beta}}\n- {on: {name: gamma}, load: {path: /nowhere}}\nload: %[2]s\n"+
		"gather: {timeout: %[3]s}\nrepeat: 2\npause: %[4]s\n", w.dir, load, gather,
		pause)
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

// reach brings beta to the moment. release ends what holds it there.
func (w *fleetWorld) reach() (release func()) {
	w.t.Helper()
	resume := func(pid int) func() {
		return func() { _ = syscall.Kill(pid, syscall.SIGCONT) } // it may have been killed
	}
	if w.moment == checking {
		pid := w.agents["beta"].Process.Pid
		inState(w.t, pid, "T")
		w.findPeer()
		return resume(pid)
	}
	w.awaitReady(2)
	w.findPeer() // it stays so, but for the end of a run
	if w.moment == inGather {
		return func() {}
	}
	w.gamma.release()
	switch w.moment {
	case atDecision:
		inState(w.t, w.Pid(), "T")
		return resume(w.Pid())
	case betweenRuns:
		expect.Eventually(w.t, func() error {
			if !strings.Contains(w.said.String(), "3 of 3 clients closed") {
				return errNotYet
			}
			return nil
		})
		w.awaitAgents() // in the next run
		w.findPeer()
		return func() {}
	}
	expect.Eventually(w.t, func() error {
		if len(loadFiles(w.t, filepath.Join(w.dir, "beta"))) == 0 {
			return errNotYet
		}
		return nil
	})
	if w.moment == whileItWrites {
		return func() {}
	}
	client := w.agents["beta"].client(w.t)
	w.path.Hold(harness.Down) // it cannot end, for nothing is acknowledged
	expect.Eventually(w.t, func() error {
		left, err := harness.Children(client, "")
		if err == nil && len(left) > 0 {
			err = errNotYet
		}
		return err
	})
	return w.path.Release
}

// handlerOf returns the handler of beta's agent.
func (w *fleetWorld) handlerOf() (pid int) {
	w.t.Helper()
	pid, err := harness.ServerOf(w.Addr, w.peer, w.handlers())
	expect.NoError(w.t, err)
	if pid == 0 {
		w.t.Fatalf("no handler has the connection from %s", w.peer)
	}
	return pid
}

// findPeer takes note of the address from which beta's agent is connected.
func (w *fleetWorld) findPeer() {
	w.t.Helper()
	st, err := w.status()
	expect.NoError(w.t, err)
	for _, a := range st.GetAgents() {
		if a.GetName() == "beta" {
			w.peer = a.GetPeer()
		}
	}
}

// disturb causes the fault, waits until it is noticed, and mends what does not mend itself.
func (w *fleetWorld) disturb() {
	w.t.Helper()
	beta := w.agents["beta"]
	switch w.target {
	case agentPath:
		w.path.Cut()
		return
	case agentHandler:
		w.disturbHandler()
		return
	case supervisorProc:
		w.disturbSupervisor()
		return
	case agentClient:
		pid := beta.client(w.t)
		watch, err := harness.NewWatch(pid)
		expect.NoError(w.t, err)
		defer watch.Close()
		switch w.fault {
		case sigstop:
			expect.NoError(w.t, syscall.Kill(pid, syscall.SIGSTOP))
			w.session("beta", func(s *bulkheadv1.SessionStatus) bool { return s.GetState() == "away" })
			expect.NoError(w.t, syscall.Kill(pid, syscall.SIGCONT))
		case sigterm:
			expect.NoError(w.t, syscall.Kill(pid, syscall.SIGTERM))
			expect.NoError(w.t, watch.AwaitExit(patience))
		default:
			expect.NoError(w.t, syscall.Kill(pid, syscall.SIGKILL))
			expect.NoError(w.t, watch.AwaitExit(patience))
		}
		return
	}
	switch w.fault {
	case sigstop:
		expect.NoError(w.t, syscall.Kill(beta.Process.Pid, syscall.SIGSTOP))
		expect.Eventually(w.t, func() error { // away, or seen coming back already
			st, err := w.status()
			if err == nil && !slices.ContainsFunc(st.GetAgents(), func(a *bulkheadv1.AgentStatus) bool {
				return a.GetName() == "beta" && a.GetAway()
			}) {
				err = errNotYet
			}
			return err
		})
		expect.NoError(w.t, syscall.Kill(beta.Process.Pid, syscall.SIGCONT))
		return
	case sigterm:
		expect.NoError(w.t, beta.Process.Signal(syscall.SIGTERM))
	default:
		expect.NoError(w.t, beta.Process.Kill())
	}
	w.path.Release() // its client is to end in order
	beta.await(w.t)
	if code := beta.ProcessState.ExitCode(); w.fault == sigterm && code != 0 {
		w.t.Errorf("the agent ended with %d", code)
	}
	w.startAgent("beta", w.path.Addr(), "")
}

func (w *fleetWorld) disturbHandler() {
	w.t.Helper()
	pid := w.handlerOf()
	watch, err := harness.NewWatch(pid)
	expect.NoError(w.t, err)
	defer watch.Close()
	sig := syscall.SIGKILL
	if w.fault == sigstop {
		sig = syscall.SIGSTOP
	}
	expect.NoError(w.t, syscall.Kill(pid, sig))
	if w.moment != atDecision { // else whoever reaps it is stopped
		expect.NoError(w.t, watch.AwaitExit(patience))
	}
}

func (w *fleetWorld) disturbSupervisor() {
	w.t.Helper()
	if w.fault == sigstop {
		expect.NoError(w.t, w.Signal(syscall.SIGSTOP))
		inState(w.t, w.Pid(), "T")
		expect.NoError(w.t, w.Signal(syscall.SIGCONT))
		return
	}
	w.Kill()
	w.launch(w.addr, "")
	expect.NoError(w.t, w.AwaitReady(patience))
	w.path.Release()
}

// check waits for the end of the job, and checks what became of everybody.
func (w *fleetWorld) check() {
	w.t.Helper()
	select {
	case err := <-w.jobEnd:
		code := w.job.ProcessState.ExitCode()
		fits := code == w.want.code || w.want.code == anyCode ||
			w.want.code == partly && (code == exitPartial || code == exitstatus.Interrupted)
		if !fits {
			w.t.Errorf("the job exited with %d (%v); want %d", code, err, w.want.code)
		}
	case <-time.After(2 * patience):
		w.t.Fatal("the job does not end")
	}
	if !strings.Contains(w.said.String(), w.want.refused) {
		w.t.Errorf("the job says nothing of %q", w.want.refused)
	}
	w.awaitAgents()
	runs := w.runsOfJob()
	wants := slices.DeleteFunc([]string{w.want.first, w.want.second}, func(s string) bool {
		return s == none || s == ""
	})
	if len(runs) != len(wants) && w.want.second != "" || len(runs) < len(wants) {
		w.t.Fatalf("%d runs were made; want %d", len(runs), len(wants))
	}
	for i, want := range wants {
		w.checkRun(runs[i], want, i == 0)
	}
	for _, name := range []string{"alpha", "beta"} {
		a := w.agents[name]
		expect.NoError(w.t, a.Process.Signal(syscall.SIGTERM))
		a.await(w.t)
		for _, dir := range []string{name, "w-" + name} {
			left, err := os.ReadDir(filepath.Join(w.dir, dir))
			if err != nil || len(left) > 0 && w.want.first != anyEnd {
				w.t.Errorf("in %s are %v, %v", dir, left, err)
			}
		}
	}
	expect.NoError(w.t, w.Signal(syscall.SIGTERM))
	_, err := w.Wait(patience)
	expect.NoError(w.t, err)
	expect.Eventually(w.t, func() error {
		left, err := harness.WithEnvironment("BULKHEAD_WORK_DIR=" + w.dir + "/")
		if more := w.processes(); err == nil && len(left)+len(more) > 0 {
			err = fmt.Errorf("processes left: %v, %v", left, more)
		}
		return err
	})
}

// runsOfJob returns the reports of the job's runs, once each is reported.
func (w *fleetWorld) runsOfJob() (runs []*report.Report) {
	w.t.Helper()
	expect.Eventually(w.t, func() error {
		runs = nil
		dirs, err := filepath.Glob(filepath.Join(w.StateDir, "runs", "2*"))
		for _, dir := range dirs { // in the order of their begin
			rep, no := fold.FromJournal(filepath.Join(dir, "journal"))
			if no != nil || rep.Run.Job == nil {
				continue
			}
			if _, no := os.Stat(filepath.Join(dir, "report.json")); no != nil {
				return no
			}
			runs = append(runs, rep)
			checked, no := journal.Check(filepath.Join(dir, "journal"))
			if no == nil {
				no = checked.Err()
			}
			if no != nil {
				w.t.Errorf("%s: %v", dir, no)
			}
		}
		return err
	})
	return runs
}

// checkRun checks how the clients of one run ended.
func (w *fleetWorld) checkRun(rep *report.Report, want string, first bool) {
	w.t.Helper()
	aborted := rep.Run.Gather != nil && rep.Run.Gather.End == report.GatherAborted
	for _, name := range []string{"alpha", "beta", "gamma"} {
		got := expect.Client(w.t, rep, name)
		how := got.Outcome
		if how == closed && got.Load == report.LoadInterrupted || how == closed && got.Bytes == 0 {
			how = cutShort
		}
		switch {
		case name != "beta" && aborted && first:
			if got.Outcome != closed || got.Bytes > 0 {
				w.t.Errorf("%s of a run that was not begun is %s, and wrote %d bytes", name, got.Outcome, got.Bytes)
			}
		case name != "beta" && how != closed:
			w.t.Errorf("%s was disturbed: %s (%s), load %s", name, got.Outcome, got.Cause, got.Load)
		case name == "beta" && want == anyEnd && (how == closed || how == lost):
		case name == "beta" && how != want:
			w.t.Errorf("beta: %s (%s), load %s, %d bytes; want it %s", got.Outcome, got.Cause, got.Load, got.Bytes,
				want)
		}
	}
}
