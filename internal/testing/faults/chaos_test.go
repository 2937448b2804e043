package faults_test

import (
	"flag"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
	"bulkhead/supervisor/report"
)

// What make chaos sets.
var (
	chaosSeed = flag.Uint64("chaos.seed", 1, "seed of TestChaos; its schedule depends on nothing else")
	chaosTime = flag.Duration("chaos.duration", 15*time.Second, "how long TestChaos breaks things")
)

// chaos is a world with many clients, each with a network path of its own.
type chaos struct {
	*world
	scripted []*rawclient.Sender
	real     []*harness.Client
	paths    map[string]*harness.Path // by the client's name
	// crippled says that a worker was killed: the run cannot be complete.
	crippled bool
}

// TestChaos lets 40 clients work while everything is broken at random, and then
// accounts for every message: what each client sent against the journal. With an
// even seed all of them speak TLS.
func TestChaos(t *testing.T) {
	deeds := schedule(*chaosSeed, *chaosTime)
	t.Logf("seed %d, %s: %d deeds; make chaos SEED=%d DURATION=%s does the same again", *chaosSeed, *chaosTime,
		len(deeds), *chaosSeed, *chaosTime)
	for _, d := range deeds {
		t.Log(d)
	}
	c := &chaos{paths: make(map[string]*harness.Path)}
	c.world = newWorld(t, settings{
		clients: chaosScripted + chaosReal, clientTimeout: 3 * time.Second, secure: *chaosSeed%2 == 0,
		more: []string{"--handler-hang-timeout", "1500ms", "--handler-poison-limit", "100", "--handler-pool", "8"},
	})
	c.begin()
	c.play(deeds)
	c.end()
	code := exitComplete
	if c.crippled {
		code = exitPartial
	}
	rep := c.finish(code)
	c.check(rep)
}

// begin lets all clients join.
func (c *chaos) begin() {
	for i := range chaosScripted {
		name := clientName(aScripted, i)
		c.scripted = append(c.scripted, c.sender(name, c.path(name), func(cfg *rawclient.SenderConfig) {
			cfg.Every, cfg.AckTimeout = 40*time.Millisecond, 3*time.Second
		}))
	}
	for i := range chaosReal {
		name := clientName(aReal, i)
		c.real = append(c.real, c.client(name, c.path(name), "--chunk-size", "1MiB", "--file-size", "4MiB"))
	}
	for _, s := range c.scripted {
		expect.NoError(c.t, s.GoesOn(patience))
	}
	for i := range chaosReal {
		c.session(clientName(aReal, i), serving)
	}
}

// path opens a client's path and returns where it begins.
func (c *chaos) path(name string) string {
	p := must1(harness.NewPath(c.addr))(c.t)
	c.t.Cleanup(p.Close)
	c.paths[name] = p
	return p.Addr()
}

// ending is the end of a deed that lasts.
type ending struct {
	at   time.Duration
	undo func()
}

// play does the deeds, each at its time or as soon after as the one before it is
// done, and ends those that last.
func (c *chaos) play(deeds []deed) {
	began := time.Now()
	// the pace of the schedule; nothing is awaited
	until := func(at time.Duration) { time.Sleep(at - time.Since(began)) }
	var open []ending
	endUntil := func(at time.Duration) {
		slices.SortStableFunc(open, func(a, b ending) int { return int(a.at - b.at) })
		for len(open) > 0 && open[0].at <= at {
			until(open[0].at)
			open[0].undo()
			open = open[1:]
		}
	}
	for _, d := range deeds {
		endUntil(d.at)
		until(d.at)
		undo := d.kind.do(c, d.who)
		switch {
		case undo == nil:
			c.t.Logf("could not be done: %s", d)
		case d.kind.lasts:
			open = append(open, ending{d.at + d.lasting, undo})
		}
	}
	endUntil(*chaosTime + time.Hour)
}

// end lets every client end in order.
func (c *chaos) end() {
	for _, s := range c.scripted {
		expect.NoError(c.t, s.GoesOn(patience))
	}
	for _, s := range c.scripted {
		s.Finish()
	}
	for _, r := range c.real {
		_ = r.Signal(syscall.SIGINT) // it may have ended, without consumers
	}
	for _, s := range c.scripted {
		select {
		case <-s.Done():
		case <-time.After(patience):
			c.t.Fatalf("client %s does not end", s.Name())
		}
	}
}

// check checks that every client closed with all it sent.
func (c *chaos) check(rep *report.Report) {
	var resumes uint64
	for _, s := range c.scripted {
		p, got := s.Progress(), expect.Client(c.t, rep, s.Name())
		resumes += got.Resumes
		if got.Outcome != closed || got.Messages != p.Sent || p.Acked != p.Sent || p.Err != nil {
			c.t.Errorf("%s: %s (%s) with %d messages; it sent %d, of which %d were acknowledged, and ended with %v",
				s.Name(), got.Outcome, got.Cause, got.Messages, p.Sent, p.Acked, p.Err)
		}
	}
	for i, r := range c.real {
		status, err := r.Wait(patience)
		expect.NoError(c.t, err)
		got := expect.Client(c.t, rep, clientName(aReal, i))
		resumes += got.Resumes
		said := regexp.MustCompile(`; (\d+) messages?`).FindStringSubmatch(r.Stdout.String())
		if got.Outcome != closed || said == nil || said[1] != strconv.FormatUint(got.LastSeq, 10) {
			c.t.Errorf("%s: %s (%s) at %d; it exited with %d and said:\n%s", got.Name, got.Outcome, got.Cause,
				got.LastSeq, status, r.Stdout.String())
		}
		if left := loadFiles(c.t, r.Dir()); len(left) > 0 {
			c.t.Errorf("%s left %v", got.Name, left)
		}
	}
	c.t.Logf("%d messages of %d clients, %d resumes, %d handlers, %d supervisors killed: all accounted for",
		rep.Totals.Messages, len(rep.Clients), resumes, len(rep.Handlers), len(c.before))
}

// deedKinds are all kinds.
var deedKinds = []*deedKind{
	{what: "SIGKILL to the handler", to: aScripted, weight: 8, do: (*chaos).killHandler},
	{what: "SIGSEGV to the handler", to: aScripted, weight: 3, do: (*chaos).crashHandler},
	{what: "SIGSTOP to the handler", to: aScripted, weight: 3, lasts: true, do: (*chaos).stopHandler},
	{what: "SIGKILL to the handler", to: aReal, weight: 2, do: (*chaos).killHandlerOfReal},
	{what: "reset of the connection", to: aScripted, weight: 8, do: (*chaos).cut},
	{what: "silence on the network", to: aScripted, weight: 4, lasts: true, do: (*chaos).silence},
	{what: "half-open connection", to: aScripted, weight: 3, lasts: true, do: (*chaos).halfOpen},
	{what: "slow network", to: aScripted, weight: 4, lasts: true, do: (*chaos).slow},
	{what: "refused connections and a reset", to: aScripted, weight: 4, lasts: true, do: (*chaos).refuse},
	{what: "reset of the connection", to: aReal, weight: 2, do: (*chaos).cutReal},
	{what: "SIGKILL to a consumer", to: aReal, weight: 1, do: (*chaos).killConsumer},
	{what: "SIGSTOP to a consumer", to: aReal, weight: 2, lasts: true, do: (*chaos).stopConsumer},
	{what: "SIGSTOP to the client parent", to: aReal, weight: 2, lasts: true, do: (*chaos).stopClient},
	{what: "SIGSTOP to the supervisor", to: theSupervisor, weight: 2, lasts: true, do: (*chaos).stopSupervisor},
	{what: "SIGKILL to the supervisor, and another started", to: theSupervisor, weight: 2, do: (*chaos).killSupervisor},
	{what: "SIGKILL to the spawner", to: theSupervisor, weight: 3, do: (*chaos).killSpawner},
	{what: "SIGSTOP to the spawner", to: theSupervisor, weight: 2, lasts: true, do: (*chaos).stopSpawner},
	{what: "upgrade of the supervisor", to: theSupervisor, weight: 2, do: (*chaos).upgrade},
}

func nothing() {}

// handlerOf returns the handler that has a client's newest connection now, whatever the
// supervisor knows of it; 0 if none has.
func (c *chaos) handlerOf(name string) int {
	peer := c.paths[name].Peer()
	if peer == "" {
		return 0
	}
	pid, err := harness.ServerOf(c.addr, peer, c.processes())
	expect.NoError(c.t, err)
	return pid
}

// signalHandler sends a signal to a client's handler.
func (c *chaos) signalHandler(name string, sig syscall.Signal) (undo func()) {
	pid := c.handlerOf(name)
	if pid == 0 || syscall.Kill(pid, sig) != nil {
		return nil
	}
	return func() { syscall.Kill(pid, syscall.SIGCONT) } // it may be gone
}

func (c *chaos) killHandler(who int) func() {
	return c.signalHandler(clientName(aScripted, who), syscall.SIGKILL)
}

func (c *chaos) killHandlerOfReal(who int) func() {
	return c.signalHandler(clientName(aReal, who), syscall.SIGKILL)
}

func (c *chaos) crashHandler(who int) func() {
	return c.signalHandler(clientName(aScripted, who), syscall.SIGSEGV)
}

func (c *chaos) stopHandler(who int) func() {
	return c.signalHandler(clientName(aScripted, who), syscall.SIGSTOP)
}

func (c *chaos) cut(who int) func() {
	c.paths[clientName(aScripted, who)].Cut()
	return nothing
}

func (c *chaos) cutReal(who int) func() {
	c.paths[clientName(aReal, who)].Cut()
	return nothing
}

func (c *chaos) silence(who int) func() {
	p := c.paths[clientName(aScripted, who)]
	p.Hold(harness.Up, harness.Down)
	return p.Release
}

func (c *chaos) halfOpen(who int) func() {
	p := c.paths[clientName(aScripted, who)]
	p.HalfOpen()
	return p.Release
}

func (c *chaos) slow(who int) func() {
	p := c.paths[clientName(aScripted, who)]
	p.Slow(2 << 10)
	return func() { p.Slow(0) }
}

func (c *chaos) refuse(who int) func() {
	p := c.paths[clientName(aScripted, who)]
	p.Refuse()
	p.Cut()
	return func() { expect.NoError(c.t, p.Admit()) }
}

// signalConsumer sends a signal to a consumer of a real client.
func (c *chaos) signalConsumer(who int, sig syscall.Signal) (undo func()) {
	pids, err := c.real[who].Workers("consumer")
	if err != nil || len(pids) == 0 || syscall.Kill(pids[0], sig) != nil {
		return nil
	}
	return func() { syscall.Kill(pids[0], syscall.SIGCONT) } // it may be gone
}

// killConsumer leaves the last consumer alone: a client without any would end, and
// nothing more could be done to it.
func (c *chaos) killConsumer(who int) func() {
	if pids, err := c.real[who].Workers("consumer"); err != nil || len(pids) < 2 {
		return nil
	}
	undo := c.signalConsumer(who, syscall.SIGKILL)
	c.crippled = c.crippled || undo != nil
	return undo
}

func (c *chaos) stopConsumer(who int) func() { return c.signalConsumer(who, syscall.SIGSTOP) }

func (c *chaos) stopClient(who int) func() {
	r := c.real[who]
	if r.Signal(syscall.SIGSTOP) != nil {
		return nil
	}
	return func() { _ = r.Signal(syscall.SIGCONT) } // it may be gone
}

func (c *chaos) stopSupervisor(int) func() {
	expect.NoError(c.t, c.Signal(syscall.SIGSTOP))
	inState(c.t, c.Pid(), "T")
	s := c.Supervisor
	return func() { _ = s.Signal(syscall.SIGCONT) } // it may have been killed
}

func (c *chaos) killSupervisor(int) func() {
	c.Kill()
	c.again(false)
	return nothing
}

// signalSpawner sends a signal to the supervisor's spawner, if it has one just now.
func (c *chaos) signalSpawner(sig syscall.Signal) (undo func()) {
	pids, err := harness.Children(c.Pid(), harness.Spawner)
	if err != nil || len(pids) == 0 || syscall.Kill(pids[0], sig) != nil {
		return nil
	}
	return func() { syscall.Kill(pids[0], syscall.SIGCONT) } // it may be gone
}

func (c *chaos) killSpawner(int) func() { return c.signalSpawner(syscall.SIGKILL) }

func (c *chaos) stopSpawner(int) func() { return c.signalSpawner(syscall.SIGSTOP) }

// supervisorStopped reports whether nobody at the supervisor would answer.
func (c *chaos) supervisorStopped() bool {
	state, err := harness.State(c.Pid())
	return err == nil && state == "T"
}

func (c *chaos) upgrade(int) func() {
	if c.supervisorStopped() {
		return nil
	}
	// One that comes in the middle of the upgrade before it is turned away, and asked
	// for again. Nothing else can be in its way: deeds are done one after the other.
	expect.Eventually(c.t, func() error {
		said, err := c.world.upgrade()
		switch {
		case err != nil && strings.Contains(said, "is just ending or is being upgraded"):
			return fmt.Errorf("bulkhead supervisor upgrade: %w: %s", err, said)
		case err != nil:
			c.t.Errorf("bulkhead supervisor upgrade: %v: %s", err, said)
		}
		return nil
	})
	return nothing
}
