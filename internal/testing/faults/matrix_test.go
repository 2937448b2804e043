package faults_test

import (
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"bulkhead/internal/exitstatus"
	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/fold"
)

// TestFaultMatrix runs every cell that can be. Run one alone by its name:
// go test ./internal/testing/faults -run 'TestFaultMatrix/handler/SIGKILL/under_load'.
func TestFaultMatrix(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("faults are made with Linux's means")
	}
	for _, target := range allTargets {
		t.Run(name(target), func(t *testing.T) {
			t.Parallel()
			for _, fault := range allFaults {
				t.Run(name(fault), func(t *testing.T) {
					t.Parallel()
					for _, moment := range allMoments {
						at := place{target, fault, moment}
						if whyImpossible(at) != "" || tooMuch(at) {
							continue
						}
						t.Run(name(moment), func(t *testing.T) {
							t.Parallel()
							runCell(t, at)
						})
					}
				})
			}
		})
	}
}

// tooMuch reports whether a cell is left out: what the race detector can find is in the tests
// themselves, as the programs are built without it, and a few cells show it.
func tooMuch(at place) bool {
	return raceEnabled && at.moment != underLoad || testing.Short() && at.fault != sigkill
}

// secured reports whether a cell is one of the third in which all speak TLS, whichever those are. What
// breaks during a Hello does so between frames that are to be seen on the path.
func secured(at place) bool {
	h := fnv.New32a()
	fmt.Fprint(h, at)
	return at.moment != inHello && h.Sum32()%3 == 0
}

// name returns how a part of a place is called among subtests.
func name[T ~string](part T) string {
	return strings.NewReplacer(" ", "_", ",", "").Replace(string(part))
}

// cell is a running cell.
type cell struct {
	*world
	place
	want want
	a, b *rawclient.Sender
	// c is a scripted client, or a real one where the target is one of its processes.
	c    *rawclient.Sender
	real *harness.Client
	path *harness.Path // between c and the supervisor
	// small is a file system of little room, where the fault is that it is full.
	small string

	pid  int    // of what is broken; 0 if it is no process
	role string // of a worker that is broken
	// asked says that c was asked to end, by a drain or a signal.
	asked bool
}

// runCell runs one cell.
func runCell(t *testing.T, at place) {
	c := &cell{place: at}
	c.want, _ = promised(at)
	c.begin(t)
	release := c.reach()
	undo := c.inject()
	c.othersGoOn()
	undo()
	release()
	if c.target == consumer && c.moment == underLoad && (c.fault == files || c.fault == diskFull) {
		c.recovers()
	}
	c.complete()
	rep := c.finish(c.want.code)
	c.check(rep)
}

// begin starts the supervisor, and a and b; c comes with its moment.
func (c *cell) begin(t *testing.T) {
	set := settings{clients: 3, secure: secured(c.place)}
	switch {
	case c.want.outcome == lost:
		set.grace = 2 * time.Second
	case c.fault == black && c.moment == inHello:
		set.more = append(set.more, "--session-hello-timeout", "2s")
	case c.fault == black, c.fault == sigstop && c.target == clientParent:
		set.clientTimeout = 3 * time.Second
	case c.fault == memory:
		set.more = append(set.more, "--session-max-frame", "8MiB", "--session-max-batch", "2000")
	case c.fault == sigstop && c.target == handlerProcess:
		set.more = append(set.more, "--handler-hang-timeout", "1500ms")
	}
	if (c.target == handlerProcess || c.target == spawnerProcess) && (c.fault == memory || c.fault == files) {
		// The limits of a process of another user or group can be changed with CAP_SYS_RESOURCE only.
		set.more = append(set.more, "--handler-sandbox", "off")
	}
	if c.moment == reporting {
		set.failpoints = "supervisor/before-report=stop"
		switch {
		case c.target == supervisorProc && c.fault == sigsegv:
			set.failpoints = "supervisor/before-report=segv"
		case c.fault == again:
			set.failpoints = reportKills
		}
	}
	if c.fault == diskFull {
		c.small = smallDisk(t, 4<<20)
		if c.target == supervisorProc {
			set.stateDir = filepath.Join(c.small, "state")
			set.more = append(set.more, "--journal-reserve", "0B") // the disk is to be full, not the run to end before
		}
	}
	c.world = newWorld(t, set)
	c.path = must1(harness.NewPath(c.Addr))(t)
	t.Cleanup(c.path.Close)
	c.a, c.b = c.sender("a", c.Addr, nil), c.sender("b", c.Addr, nil)
	expect.NoError(t, c.a.GoesOn(patience))
	expect.NoError(t, c.b.GoesOn(patience))
}

// reportKills lets a supervisor die as it begins to make the report.
const reportKills = "supervisor/before-report=kill"

// isReal reports whether c must be a real client.
func (c *cell) isReal() bool {
	return slices.Contains([]target{clientParent, consumer, monitor}, c.target)
}

// join starts c.
func (c *cell) join() {
	if !c.isReal() {
		c.c = c.sender("c", c.path.Addr(), func(cfg *rawclient.SenderConfig) {
			if c.fault == memory {
				cfg.Batch, cfg.Window, cfg.Every = 1900, 2, 100*time.Millisecond // small messages, until they swell
			}
		})
		return
	}
	var args []string
	switch {
	case c.target == clientParent && c.fault == memory:
		args = []string{"--chunk-size", "1KiB", "--file-size", "1KiB", "--sync", "none", "--spool-memory", "1GiB",
			"--spool-max-size", "2GiB"}
	case c.target == clientParent && c.fault == diskFull:
		args = []string{"--chunk-size", "1KiB", "--file-size", "1KiB", "--sync", "none", "--spool-memory", "64KiB",
			"--work-dir", c.small}
	case c.target == consumer && c.fault == diskFull:
		args = []string{"--path", c.small, "--reserve", "0"} // the disk is to be full, not the load to end before
	}
	c.real = c.client("c", c.path.Addr(), args...)
}

// reach brings c to the moment, and finds the process to break. release ends what
// holds c there.
func (c *cell) reach() (release func()) {
	switch c.moment {
	case inHello:
		return c.reachHello()
	case reporting:
		return c.reachReport()
	}
	c.join()
	st := c.session("c", serving)
	if c.real != nil {
		c.atWork()
	}
	c.pid = c.find(int(st.GetHandlerPid()))
	switch c.moment {
	case acking:
		durable := c.session("c", serving).GetDurableSeq()
		c.path.Hold(harness.Down)
		switch {
		case c.c != nil && c.fault == memory: // its window may be larger than HTTP/2's, whose updates are held too
			expect.NoError(c.t, c.c.Await(patience, "acks are outstanding",
				func(p rawclient.Progress) bool { return p.Sent > p.Acked }))
		case c.c != nil:
			expect.NoError(c.t, c.c.Await(patience, "the window is full", full(c.c)))
		default:
			c.session("c", func(s *bulkheadv1.SessionStatus) bool { return s.GetDurableSeq() > durable })
		}
		return c.path.Release
	case inDrain:
		return c.reachDrain()
	}
	return func() {}
}

// atWork waits until the workers of the real client are all at work.
func (c *cell) atWork() {
	c.seen("all workers are at work", func(got *report.Client) bool {
		working := 0
		for _, p := range got.Processes {
			if p.Kind == "consumer" && p.Writes.Files > 0 && p.Usage != nil ||
				p.Kind == "monitor" && p.Heartbeats != nil {
				working++
			}
		}
		return working == 3
	})
}

// seen waits until the report that could be made now says so of c.
func (c *cell) seen(what string, so func(*report.Client) bool) {
	c.t.Helper()
	expect.Eventually(c.t, func() error {
		rep, err := fold.FromJournal(filepath.Join(c.runDir, "journal"))
		if err != nil {
			return err
		}
		for i := range rep.Clients {
			if rep.Clients[i].Name == "c" && so(&rep.Clients[i]) {
				return nil
			}
		}
		return fmt.Errorf("the journal does not say yet that %s", what)
	})
}

// reachHello holds c's connection before its Hello has arrived.
func (c *cell) reachHello() (release func()) {
	c.path.Hold(harness.Up, harness.Down)
	if c.target == supervisorProc {
		c.pid = c.Pid()
		if c.fault != sigstop { // there must be a connection, with a handler, or the wish for one
			c.join()
			c.handed()
		}
		return c.path.Release
	}
	c.join()
	c.pid = c.find(c.handed())
	return c.path.Release
}

// handed waits until a handler has c's connection, and returns the handler.
func (c *cell) handed() (pid int) {
	expect.Eventually(c.t, func() (err error) {
		if c.path.Peer() == "" {
			return errNotYet
		}
		pid, err = harness.ServerOf(c.Addr, c.path.Peer(), c.handlers())
		if err != nil {
			return err
		}
		giver, err := harness.ServerOf(c.Addr, c.path.Peer(), []int{c.Pid()})
		if err == nil && (pid == 0 || giver != 0) {
			err = fmt.Errorf("no handler has the connection from %s for itself", c.path.Peer())
		}
		return err
	})
	return pid
}

// reachDrain asks for a drain and holds c in it.
func (c *cell) reachDrain() (release func()) {
	switch c.target {
	case consumer, monitor: // it must not end before it is broken
		if c.fault == files || c.fault == diskFull {
			return func() {} // asked for when it has failed
		}
		expect.NoError(c.t, syscall.Kill(c.pid, syscall.SIGSTOP))
		inState(c.t, c.pid, "T")
	case clientParent: // it must not get away
		c.path.Hold(harness.Up)
	}
	c.startDrain()
	return c.path.Release
}

// startDrain asks for a drain, and waits until the scripted clients know.
func (c *cell) startDrain() {
	c.drain()
	c.asked = true
	for _, s := range c.senders {
		select {
		case <-s.Drained():
		case <-time.After(patience):
			c.t.Fatalf("client %s is not asked to drain", s.Name())
		}
	}
}

// reachReport brings the supervisor to the point where it begins to make the report,
// where a failpoint stops it.
func (c *cell) reachReport() (release func()) {
	c.join()
	c.session("c", serving)
	c.end()
	if c.target == supervisorProc && (c.fault == sigsegv || c.fault == again) {
		return func() {} // the point does it
	}
	inState(c.t, c.Pid(), "T")
	c.pid = c.find(0)
	stopped := c.Supervisor
	return func() { _ = stopped.Signal(syscall.SIGCONT) } // it may have been killed
}

// find returns the process to break.
func (c *cell) find(handler int) int {
	c.t.Helper()
	switch c.target {
	case handlerProcess:
		if c.moment == reporting { // a warm one
			left := c.handlers()
			if len(left) == 0 {
				c.t.Fatal("no handler is left")
			}
			return left[0]
		}
		return handler
	case supervisorProc:
		return c.Pid()
	case spawnerProcess:
		return c.spawner(0)
	case clientParent:
		return c.real.Pid()
	case consumer, monitor:
		c.role = string(c.target)
		workers, err := c.real.Workers(c.role)
		expect.NoError(c.t, err)
		if len(workers) == 0 {
			c.t.Fatalf("the client has no %s", c.role)
		}
		return workers[0]
	}
	return 0
}

// othersGoOn checks that a and b make progress while c, or what serves it, is broken.
func (c *cell) othersGoOn() {
	if c.target == supervisorProc || c.moment == reporting {
		return
	}
	expect.NoError(c.t, c.a.GoesOn(patience))
	expect.NoError(c.t, c.b.GoesOn(patience))
}

// end lets all clients end in order.
func (c *cell) end() {
	for _, s := range c.senders {
		s.Finish()
	}
	if c.real != nil && !c.asked {
		_ = c.real.Signal(syscall.SIGINT) // it may have ended
	}
}

// complete brings the run to its end after the fault.
func (c *cell) complete() {
	if c.moment == reporting {
		return
	}
	dies := c.want.code == exitFailure
	ended := c.target == clientParent && (c.fault == files && c.moment == inHello || c.fault == diskFull)
	if c.want.outcome == closed && !c.asked && !ended {
		c.session("c", serving)
	}
	if c.want.outcome == absent && !dies { // the run would wait for it
		c.drain()
	}
	if !dies {
		if c.c != nil {
			expect.NoError(c.t, c.c.GoesOn(patience))
		}
		expect.NoError(c.t, c.a.GoesOn(patience))
		expect.NoError(c.t, c.b.GoesOn(patience))
	}
	c.end()
	for _, s := range c.senders {
		select {
		case <-s.Done():
		case <-c.Done():
			return // nobody is left to tell it
		case <-time.After(patience):
			c.t.Fatalf("client %s does not end", s.Name())
		}
		if err := s.Progress().Err; err != nil && !dies {
			c.t.Errorf("client %s: %v", s.Name(), err)
		}
	}
}

// check checks what the cell promises beyond what finish does.
func (c *cell) check(rep *report.Report) {
	if c.want.code != exitFailure {
		undisturbed(c.t, rep, c.a)
		undisturbed(c.t, rep, c.b)
	}
	if c.want.outcome == absent {
		for _, other := range rep.Clients {
			if other.Name == "c" {
				c.t.Errorf("c joined: %s (%s)", other.Outcome, other.Cause)
			}
		}
	} else {
		c.checkSession(expect.Client(c.t, rep, "c"))
	}
	if c.target == handlerProcess && c.want.exit != "" {
		if h := expect.Handler(c.t, rep, c.pid); h.Exit == nil ||
			!regexp.MustCompile(c.want.exit).MatchString(h.Exit.Class+": "+h.Exit.Cause) {
			c.t.Errorf("handler %d ended like this: %+v; want %s", c.pid, h.Exit, c.want.exit)
		}
	}
	if c.real != nil {
		c.checkReal(rep)
	}
	if c.target == supervisorProc {
		c.checkRestarts(rep)
	}
}

// checkRestarts checks that the report tells of the supervisors' changes.
func (c *cell) checkRestarts(rep *report.Report) {
	var kinds []string
	for _, r := range rep.Run.Restarts {
		kinds = append(kinds, r.Kind)
	}
	var want []string
	switch {
	case c.moment == reporting: // what only makes the report adopts nothing
	case c.fault == upgrade:
		want = []string{"upgraded"}
	case c.fault == sigkill, c.fault == sigsegv, c.fault == memory:
		want = []string{"restarted"}
	case c.fault == again: // some died before they had adopted anything
		if len(kinds) == 0 {
			c.t.Error("the report tells of no restart")
		}
		return
	}
	if !slices.Equal(kinds, want) {
		c.t.Errorf("the report tells of the restarts %q; want %q", kinds, want)
	}
}

// checkSession checks how c's session went.
func (c *cell) checkSession(got *report.Client) {
	if got.Outcome != c.want.outcome || !regexp.MustCompile(c.want.cause).MatchString(got.Cause) {
		c.t.Errorf("c: %s (%s); want %s (%s)", got.Outcome, got.Cause, c.want.outcome, c.want.cause)
	}
	switch {
	case c.want.resumes == atLeastOnce && got.Resumes == 0, c.want.resumes >= 0 && c.want.code != exitFailure &&
		got.Resumes != uint64(c.want.resumes):
		c.t.Errorf("c resumed %d times over %+v; want %d (%d is at least once)", got.Resumes, got.Connections,
			c.want.resumes, atLeastOnce)
	}
	if first := got.Connections[0]; c.want.detached != "" &&
		!regexp.MustCompile(c.want.detached).MatchString(first.DetachCause) {
		c.t.Errorf("c lost its first connection because of %q; want %s", first.DetachCause, c.want.detached)
	}
	if c.c != nil && c.want.outcome == closed {
		if p := c.c.Progress(); got.Messages != p.Sent || p.Acked != p.Sent {
			c.t.Errorf("c sent %d messages, of which %d were acknowledged; the report has %d", p.Sent, p.Acked,
				got.Messages)
		}
	}
	if c.c != nil && c.want.resumes == 0 && c.want.outcome == closed && c.moment != inHello &&
		len(c.c.Progress().Locals) != 1 {
		c.t.Errorf("c had the connections %v; want one", c.c.Progress().Locals)
	}
}

// crashed is the exit status of a Go program that ends by a fatal signal. It prints its
// goroutines first, while they run; where that makes it fault itself, the kernel ends it by
// the signal, which the runtime's handler blocks.
const crashed = 2

// checkReal checks the real client c: its exit status, what it left, and what the
// report says of the worker that was broken.
func (c *cell) checkReal(rep *report.Report) {
	status, err := c.real.Wait(patience)
	expect.NoError(c.t, err)
	want := c.want.status
	if want == exitComplete {
		if reason := expect.Client(c.t, rep, "c").StopReason; reason == "interrupted" || reason == "drained" {
			want = exitstatus.Interrupted // it is whole, and was asked to end
		}
	}
	if status != want && !(c.fault == sigsegv && want == crashed && status == -int(syscall.SIGSEGV)) {
		c.t.Errorf("client c exited with %d; want %d:\n%s", status, want, tail(c.real.Stderr.String()))
	}
	expect.Eventually(c.t, func() error { // the workers of a client that died clean up by themselves
		left := loadFiles(c.t, c.real.Dir())
		if c.small != "" {
			left = append(left, loadFiles(c.t, c.small)...)
		}
		if len(left) > 0 {
			return fmt.Errorf("client c left %v", left)
		}
		return nil
	})
	if c.role == "" {
		return
	}
	p := processOf(c.t, expect.Client(c.t, rep, "c"), c.pid)
	if p.Exit == nil || !regexp.MustCompile(c.want.exit).MatchString(p.Exit.Class+": "+p.Exit.Cause) {
		c.t.Errorf("%s %d ended like this: %+v; want %s", c.role, c.pid, p.Exit, c.want.exit)
	}
	c.checkWorker(rep, p)
}

// checkWorker checks the traces of what a worker went through.
func (c *cell) checkWorker(rep *report.Report, p *report.Process) {
	switch c.fault {
	case sigkill, sigsegv:
		if named := regexp.MustCompile(fmt.Sprintf(`client c: %s.*pid %d`, c.role,
			c.pid)); !named.MatchString(strings.Join(rep.Verdict.Reasons, "\n")) {
			c.t.Errorf("no reason names the %s: %+v", c.role, rep.Verdict)
		}
	case sigstop:
		if c.moment == underLoad && p.Heartbeats.Missed == 0 {
			c.t.Errorf("the %s was stopped, and no heartbeat missed it: %+v", c.role, p.Heartbeats)
		}
	case files, diskFull:
		switch {
		case c.target == consumer && (p.Writes.Errors == 0 ||
			!regexp.MustCompile("too many open files|no space left").MatchString(p.Writes.LastError)):
			c.t.Errorf("the consumer's errors are not told: %+v", p.Writes)
		case c.target == consumer && (p.FailingSince != 0) != (c.moment == inDrain):
			c.t.Errorf("the consumer was failing since %v as it ended", p.FailingSince)
		case c.target == monitor && failedSamples(expect.Client(c.t, rep, "c")) == 0:
			c.t.Error("no sample failed")
		}
	}
}

// processOf returns the report's process with that pid.
func processOf(t *testing.T, c *report.Client, pid int) *report.Process {
	t.Helper()
	for i := range c.Processes {
		if int(c.Processes[i].Pid) == pid {
			return &c.Processes[i]
		}
	}
	t.Fatalf("the report has no process %d of client %s", pid, c.Name)
	return nil
}

// smallDisk mounts a file system of that size for the test.
func smallDisk(t *testing.T, size int) string {
	t.Helper()
	dir := must1(os.MkdirTemp("", "bhf-disk-"))(t)
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		os.Remove(dir)
		t.Skipf("mounting a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("something still uses %s: %v", dir, err)
			return
		}
		os.Remove(dir)
	})
	return dir
}
