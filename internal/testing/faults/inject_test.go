package faults_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
)

// inject causes the fault and waits until it has its effect. undo takes back
// what can be taken back.
func (c *cell) inject() (undo func()) {
	if c.target == spawnerProcess && c.moment != reporting {
		defer c.spawnsAgain()
	}
	switch c.fault {
	case sigkill:
		return c.dies(func() { expect.NoError(c.t, syscall.Kill(c.pid, syscall.SIGKILL)) })
	case sigsegv:
		return c.dies(func() {
			expect.NoError(c.t, syscall.Kill(c.pid, syscall.SIGSEGV))
			syscall.Kill(c.pid, syscall.SIGCONT) // it may be held by a stop, or gone already
		})
	case sigstop:
		return c.stops()
	case memory:
		return c.blowsUp()
	case files:
		return c.runsOutOfFiles()
	case diskFull:
		return c.fillsDisk()
	case upgrade:
		return c.isUpgraded()
	case again:
		return c.diesAgain()
	case reset:
		c.path.Cut()
		return func() {}
	case black:
		return c.fallsSilent(func() { c.path.Hold(harness.Up, harness.Down) })
	case halfOpen:
		return c.fallsSilent(c.path.HalfOpen)
	case slow:
		c.path.Slow(64 << 10)
		c.path.Release()
		if c.moment != inHello {
			expect.NoError(c.t, c.c.GoesOn(patience))
		} else {
			c.session("c", serving)
		}
		return func() { c.path.Slow(0) }
	}
	c.t.Fatalf("nobody knows how to make %s", c.fault)
	return nil
}

// dies kills the process. What is undone is the supervisor's absence.
func (c *cell) dies(kill func()) (undo func()) {
	if c.pid != 0 {
		w, err := harness.NewWatch(c.pid)
		expect.NoError(c.t, err)
		defer w.Close()
		kill()
		expect.NoError(c.t, w.AwaitExit(patience))
	}
	if c.target != supervisorProc {
		return func() {}
	}
	<-c.Done()
	return func() { c.again(c.moment == reporting) }
}

// spawnsAgain makes the supervisor want a handler, and waits until it has one, and a spawner
// that is not the broken one.
func (c *cell) spawnsAgain() {
	var ready uint32
	expect.Eventually(c.t, func() error { // the pool is at rest
		st, err := c.status()
		if ready = st.GetPoolReady(); err == nil && (ready != pooled || st.GetPoolStarting() > 0) {
			err = errNotYet
		}
		return err
	})
	busy := make(map[int]bool)
	st, err := c.status()
	expect.NoError(c.t, err)
	for _, s := range st.GetSessions() {
		busy[int(s.GetHandlerPid())] = true
	}
	if c.moment == inHello {
		busy[c.handed()] = true
	}
	for _, pid := range c.handlers() {
		if !busy[pid] { // the pool has one started for it, whichever it is
			expect.NoError(c.t, syscall.Kill(pid, syscall.SIGKILL))
			break
		}
	}
	c.logged("a handler died before its use")
	expect.Eventually(c.t, func() error {
		st, err := c.status()
		if err == nil && (st.GetPoolReady() != pooled || st.GetPoolStarting() > 0) {
			err = errNotYet
		}
		return err
	})
	c.spawner(c.pid)
}

// isUpgraded lets the supervisor replace itself.
func (c *cell) isUpgraded() (undo func()) {
	if c.moment == reporting { // it is stopped, and answers nobody
		expect.NoError(c.t, c.Signal(syscall.SIGHUP))
		return func() {}
	}
	said, err := c.world.upgrade()
	if err != nil {
		c.t.Fatalf("bulkhead supervisor upgrade: %v: %s", err, said)
	}
	expect.Eventually(c.t, func() error {
		st, err := c.status()
		if err == nil && st.GetRestarts() != 1 {
			err = errNotYet
		}
		return err
	})
	return func() {}
}

// killSeed is what the moments follow from at which a supervisor is killed in its
// recovery.
const killSeed = 20261123

// diesAgain kills the supervisor, and those that follow it, each a random time after it
// was started. What is undone is the absence of one that is left alone.
func (c *cell) diesAgain() (undo func()) {
	const times, longest = 8, 150 * time.Millisecond
	if c.moment == reporting { // a point kills it
		for range 2 {
			<-c.Done()
			c.launch(c.addr, reportKills)
		}
		<-c.Done()
		return func() { c.again(true) }
	}
	random := rand.New(rand.NewPCG(killSeed, uint64(slices.Index(allMoments, c.moment))))
	var lived []time.Duration
	c.Kill()
	for range times {
		d := time.Duration(random.Int64N(int64(longest)))
		lived = append(lived, d)
		c.launch(c.addr, "")
		time.Sleep(d) // it is not awaited that it comes anywhere
		c.Kill()
	}
	c.t.Logf("seed %d: supervisors killed after %v", killSeed, lived)
	return func() { c.again(false) }
}

// stops stops the process for as long as it takes that others notice.
func (c *cell) stops() (undo func()) {
	expect.NoError(c.t, syscall.Kill(c.pid, syscall.SIGSTOP))
	inState(c.t, c.pid, "T")
	undo = func() { syscall.Kill(c.pid, syscall.SIGCONT) } // it may be gone
	c.t.Cleanup(undo)
	switch {
	case c.target == handlerProcess: // stopped for good, as far as it knows
		w, err := harness.NewWatch(c.pid)
		expect.NoError(c.t, err)
		defer w.Close()
		expect.NoError(c.t, w.AwaitExit(patience))
	case c.target == supervisorProc && c.moment == inHello:
		c.join() // the kernel takes the connection
		expect.Eventually(c.t, func() error {
			if c.path.Peer() == "" {
				return errNotYet
			}
			return nil
		})
	case c.target == supervisorProc && c.moment != reporting:
		// Everything that can be on its way is on its way.
		expect.NoError(c.t, c.a.Await(patience, "the window is full", full(c.a)))
	case c.target == clientParent && c.moment != inHello:
		c.session("c", func(s *bulkheadv1.SessionStatus) bool { return s.GetState() == "away" })
	case c.role != "" && c.moment == underLoad:
		c.seen("a heartbeat was missed", func(got *report.Client) bool { return got.Heartbeats.Missed > 0 })
	}
	return undo
}

// full returns a condition: the sender can send nothing more until it gets acks.
func full(s *rawclient.Sender) func(rawclient.Progress) bool {
	return func(p rawclient.Progress) bool { return p.Sent-p.Acked >= s.WindowMessages() }
}

// blowsUp lets the process have hardly more memory than it has, and makes it want some:
// for a batch of c, which is larger than that and any before it.
func (c *cell) blowsUp() (undo func()) {
	w, err := harness.NewWatch(c.pid)
	expect.NoError(c.t, err)
	const little = 4 << 20 // the step by which a heap grows, for what it does besides
	_, err = harness.LimitMemory(c.pid, little)
	expect.NoError(c.t, err)
	if c.c != nil {
		c.c.Swell(4096)
	}
	if c.moment != acking || c.target != clientParent { // a client needs memory while it is held
		c.path.Release()
	}
	expect.NoError(c.t, errors.Join(w.AwaitExit(patience), w.Close()))
	if c.c != nil {
		c.c.Swell(0)
	}
	if c.target != supervisorProc {
		return func() {}
	}
	<-c.Done()
	return func() { c.again(c.moment == reporting) }
}

// runsOutOfFiles lets the process open nothing more.
func (c *cell) runsOutOfFiles() (undo func()) {
	restore, err := harness.LimitFiles(c.pid)
	expect.NoError(c.t, err)
	undo = func() {
		if err := restore(); err != nil && !errors.Is(err, syscall.ESRCH) { // it may be gone
			c.t.Error(err)
		}
	}
	switch {
	case c.target == supervisorProc && c.moment == inHello:
		c.sender("late", c.Addr, nil) // its connection cannot be accepted
		c.logged("connections cannot be accepted")
	case c.target == consumer:
		c.seen("the consumer failed", c.failed)
	case c.target == monitor:
		c.seen("samples failed", func(got *report.Client) bool { return failedSamples(got) > 0 })
	case c.target == clientParent && c.moment == inHello:
		c.path.Release()
		_, err := c.real.Wait(patience)
		expect.NoError(c.t, err)
	}
	return c.stays(undo)
}

// stays leaves the fault in place: for a drain, where it is a worker's, and for the
// report.
func (c *cell) stays(undo func()) func() {
	if c.moment == reporting {
		c.t.Cleanup(undo)
		return func() {}
	}
	if c.moment != inDrain || c.role == "" {
		return undo
	}
	c.t.Cleanup(undo)
	return c.startDrain
}

// failed reports whether the consumer failed: in a drain, which it must not recover from, for
// long enough that it has failed to the end if it ends now.
func (c *cell) failed(got *report.Client) bool {
	p := processOf(c.t, got, c.pid)
	return p.Writes.Errors > 0 && (c.moment != inDrain || p.FailingSince != 0)
}

// allFail reports whether no consumer writes any more, so that none makes room for another.
func allFail(got *report.Client) bool {
	return !slices.ContainsFunc(got.Processes, func(p report.Process) bool {
		return p.Kind == "consumer" && p.FailingSince == 0
	})
}

// recovers waits until the consumer has written in a whole interval without an error, its
// fault being undone.
func (c *cell) recovers() {
	var before uint64
	for range 3 { // the first may have begun before, and the second have errors of then
		c.seen("the consumer recovered", func(got *report.Client) bool {
			chunks := processOf(c.t, got, c.pid).Writes.Chunks
			more := chunks > before
			if more {
				before = chunks
			}
			return more
		})
	}
}

// failedSamples returns how many samples of c's consumers could not be taken.
func failedSamples(c *report.Client) uint64 {
	var failed uint64
	for _, p := range c.Processes {
		if p.Usage != nil {
			failed += p.Usage.Failed
		}
	}
	return failed
}

// fillsDisk fills the small file system to the last byte.
func (c *cell) fillsDisk() (undo func()) {
	filler := filepath.Join(c.small, "filler")
	c.fill(filler)
	switch {
	case c.target == supervisorProc && c.moment != reporting:
		c.logged("the journal cannot be written")
	case c.target == consumer:
		c.seen("the consumer failed", func(got *report.Client) bool {
			c.fill(filler) // it has made room by removing a file of its own
			return c.failed(got) && (c.moment != inDrain || allFail(got))
		})
	case c.target == clientParent: // its spool grows until there is no room
		expect.Eventually(c.t, func() error {
			left, err := c.real.Workers("consumer")
			if err == nil && len(left) > 0 {
				err = errNotYet
			}
			return err
		})
	}
	return c.stays(func() {
		if err := os.Remove(filler); err != nil && !errors.Is(err, fs.ErrNotExist) {
			c.t.Error(fmt.Errorf("freeing the disk: %w", err))
		}
	})
}

// fill lets a file grow until there is no space left.
func (c *cell) fill(path string) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	expect.NoError(c.t, err)
	defer f.Close()
	if _, err := io.Copy(f, zeros{}); !errors.Is(err, syscall.ENOSPC) {
		c.t.Fatalf("filling %s: %v; want no space left", c.small, err)
	}
}

// zeros has no end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// fallsSilent breaks the path and waits until the supervisor's side has noticed.
func (c *cell) fallsSilent(silence func()) (undo func()) {
	if c.moment != inHello {
		silence()
		c.session("c", func(s *bulkheadv1.SessionStatus) bool { return s.GetState() == "away" })
		return c.path.Release
	}
	w, err := harness.NewWatch(c.handed())
	expect.NoError(c.t, err)
	defer w.Close()
	silence()
	expect.NoError(c.t, w.AwaitExit(patience)) // it rejects the connection and ends
	return c.path.Release
}
