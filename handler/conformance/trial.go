package conformance

import (
	"context"
	"fmt"
	"net"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Verdict is how a scenario went.
type Verdict uint8

const (
	// Passed: the client did what it must.
	Passed Verdict = iota
	// Failed: the client broke a rule.
	Failed
	// LeftOut: the client never came to where the scenario begins.
	LeftOut
)

// String returns the verdict as it is printed.
func (v Verdict) String() string { return [...]string{"passed", "FAILED", "left out"}[v] }

// trial is one scenario with one client. Its methods, and those of its connections, do
// nothing once the trial is decided, so that a script reads straight on; what they
// return is then empty, never nil. The script's goroutine owns it, but for what says
// otherwise.
type trial struct {
	ctx      context.Context // done when the trial is over
	cancel   context.CancelFunc
	cfg      Config
	address  string
	result   *Result
	arrivals chan *connection
	server   *server
	process  *process

	decided bool
	failure string // why it failed
	missing string // why it was left out
	remark  string // what there is to say of one that passed

	id      string // the client's, from its first Hello
	former  string // the one before, of a client that continues in another run
	durable uint64 // last message that the client may count as durable
	sent    uint64 // last message that ever came
	current *connection
}

func newTrial(ctx context.Context, cfg Config, lis *net.TCPListener, res *Result) *trial {
	t := &trial{cfg: cfg, address: lis.Addr().String(), result: res, arrivals: make(chan *connection)}
	t.ctx, t.cancel = context.WithCancel(ctx)
	t.server = newServer(t, lis)
	return t
}

// start starts the client, if there is a command for it.
func (t *trial) start() error {
	if len(t.cfg.Command) == 0 {
		return nil
	}
	var err error
	t.process, err = startProcess(t.cfg.Command, t.address, t.cfg.Progress)
	return err
}

// invitation returns the line that says what the trial waits for.
func (t *trial) invitation() string {
	if t.process == nil {
		return "start a client that connects to " + t.address
	}
	return fmt.Sprintf("client started, pid %d", t.process.pid())
}

// close ends everything that belongs to the trial.
func (t *trial) close() {
	t.cancel()
	t.server.close()
	if t.process != nil {
		t.process.kill()
	}
}

// fail decides the trial: the client broke a rule.
func (t *trial) fail(format string, args ...any) {
	if !t.decided {
		t.decided, t.failure = true, fmt.Sprintf(format, args...)
	}
}

// leave decides the trial: the client gave no occasion for it.
func (t *trial) leave(format string, args ...any) {
	if !t.decided {
		t.decided, t.missing = true, fmt.Sprintf(format, args...)
	}
}

// note keeps what is worth saying of a client that did nothing wrong.
func (t *trial) note(format string, args ...any) {
	if !t.decided {
		t.remark = fmt.Sprintf(format, args...)
	}
}

func (t *trial) verdict() Verdict {
	switch {
	case t.failure != "":
		return Failed
	case t.missing != "":
		return LeftOut
	default:
		return Passed
	}
}

func (t *trial) why() string {
	switch {
	case t.failure != "":
		return t.failure
	case t.missing != "":
		return t.missing
	default:
		return t.remark
	}
}

// await returns the client's next connection, after its Hello, and checks that. doing says
// what the client is expected to do, in words.
func (t *trial) await(doing string) *connection {
	nobody := newConnection(t, nil, nil)
	if t.decided {
		return nobody
	}
	patience := time.NewTimer(t.cfg.Patience)
	defer patience.Stop()
	for {
		select {
		case c := <-t.arrivals:
			t.current = c
			c.greet(patience.C)
			if t.decided || c.hello != nil {
				return c
			}
		case <-t.process.done():
			t.gone(doing)
			return nobody
		case <-patience.C:
			t.gone(doing)
			return nobody
		case <-t.ctx.Done():
			t.leave("interrupted")
			return nobody
		}
	}
}

// gone decides a trial whose client does not come (again).
func (t *trial) gone(doing string) {
	what := fmt.Sprintf("it did not %s within %s", doing, t.cfg.Patience)
	if how, ended := t.process.ended(); ended {
		what = fmt.Sprintf("it ended (%s) and did not %s", how, doing)
	}
	if t.id == "" {
		t.fail("no client: %s", what)
		return
	}
	t.fail("%s", what)
}

// stayAway checks that the client does not connect again.
func (t *trial) stayAway(because string) {
	if t.decided {
		return
	}
	wait := 3 * quiet // of a client that somebody started
	if t.process != nil {
		wait = t.cfg.Patience
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-t.arrivals:
		t.fail("it connected again after %s", because)
	case <-t.process.done():
	case <-timer.C:
		if t.process != nil {
			t.fail("it did not end within %s of %s", wait, because)
		}
	case <-t.ctx.Done():
		t.leave("interrupted")
	}
}

// perhaps returns the next connection of a client that may also end, after its Hello; false
// if it does not come.
func (t *trial) perhaps(after string) (*connection, bool) {
	if t.decided {
		return newConnection(t, nil, nil), false
	}
	timer := time.NewTimer(t.cfg.Patience)
	defer timer.Stop()
	select {
	case c := <-t.arrivals:
		t.current = c
		c.greet(timer.C)
		return c, c.hello != nil
	case <-t.process.done():
	case <-timer.C:
		if t.process != nil {
			t.fail("within %s of %s it neither ended nor went on", t.cfg.Patience, after)
		}
	case <-t.ctx.Done():
		t.leave("interrupted")
	}
	return newConnection(t, nil, nil), false
}

// settle waits for the end of a process of which nothing more is expected, and holds its
// exit status against what it was told.
func (t *trial) settle(s scenario) {
	if t.decided || t.process == nil {
		return
	}
	t.stayAway("its session had ended")
	how, ended := t.process.ended()
	switch {
	case t.decided || !ended:
	case s.ends == succeeds && how.status() != 0:
		t.fail("its session was closed in order, but it ended with %s", how)
	case s.ends == refuses && how.status() == 0:
		t.fail("it was refused, but it ended with %s", how)
	}
}

// know takes note of a Hello, and reports whether it is of a client that is meant here.
func (t *trial) know(h *bulkheadv1.Hello) bool {
	id := string(h.GetClientId())
	switch {
	case t.former != "" && t.former == id:
		t.fail("it went on in another run, and its Hello.client_id is that of the session before; choose another")
	case t.id == id:
	case t.id != "":
		t.fail("it connected again with another Hello.client_id; the id is chosen once, when the client starts")
	case t.result.seen.ids[id]:
		if t.process == nil {
			return false // somebody's client of an earlier scenario is still there
		}
		t.fail("its Hello.client_id was that of an earlier process or session; choose 16 random bytes at each start")
	default:
		t.id, t.result.seen.ids[id] = id, true
	}
	return true
}
