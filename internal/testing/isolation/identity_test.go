package isolation_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"

	"bulkhead/internal/testing/harness/expect"
)

// register remembers which connection each handler served.
type register struct {
	s      *running
	served map[int]string // handler pid → connection, in words
}

// add checks that the client's handler is a process of its own that owns the
// client's socket alone, and that it has served nobody else before.
func (r *register) add(t *testing.T, name, connection string) {
	t.Helper()
	st := r.s.session(name)
	pid := int(st.GetHandlerPid())
	if other, ok := r.served[pid]; ok {
		t.Errorf("handler %d serves %s and has served %s", pid, connection, other)
	}
	r.served[pid] = connection
	if !slices.Contains(r.s.handlers(), pid) {
		t.Errorf("%s is served by process %d, which is no handler of the supervisor: %v", connection, pid,
			r.s.handlers())
	}
	onlyOwner(t, r.s, pid, st.GetPeer())
}

// Every connection has a handler process of its own: of eight clients at once, of
// four one after the other, and of one client that comes back again and again.
func TestNoHandlerServesTwoConnections(t *testing.T) {
	t.Parallel()
	const atOnce, inTurn, returns = 8, 4, 4
	s := start(t, "--clients", fmt.Sprint(atOnce+inTurn+1), "--handler-pool", "2")
	r := register{s, make(map[int]string)}

	clients := make([]*rawclient.Client, atOnce)
	for i := range clients {
		clients[i] = s.dial()
		greet(t, clients[i], rawclient.Hello(fmt.Sprintf("at-once-%d", i)))
	}
	for i := range clients {
		name := fmt.Sprintf("at-once-%d", i)
		r.add(t, name, name)
	}
	for _, c := range clients {
		say(t, c)
	}
	for i := range inTurn {
		name := fmt.Sprintf("in-turn-%d", i)
		c := s.dial()
		greet(t, c, rawclient.Hello(name))
		r.add(t, name, name)
		say(t, c)
	}
	again := rawclient.Hello("returning")
	for i := range returns {
		c := s.dial()
		greet(t, c, again)
		r.add(t, "returning", fmt.Sprintf("returning, connection %d", i+1))
		if i == returns-1 {
			say(t, c)
			break
		}
		c.Close()
		s.await("returning", "away")
	}

	rep := s.finish(exitComplete)
	if got, want := len(rep.Handlers), atOnce+inTurn+returns; got != want || len(r.served) != want {
		t.Errorf("the report has %d handlers and %d were seen; want %d", got, len(r.served), want)
	}
	for _, h := range rep.Handlers {
		if _, ok := r.served[int(h.Pid)]; !ok {
			t.Errorf("the report has handler %d, which was not seen", h.Pid)
		}
		if h.Exit == nil || h.Exit.Class != report.ExitClean {
			t.Errorf("handler %d ended like this: %+v; want clean", h.Pid, h.Exit)
		}
	}
}

// greet sends Hello and waits for the Welcome.
func greet(t *testing.T, c *rawclient.Client, hello *bulkheadv1.Hello) *bulkheadv1.Welcome {
	t.Helper()
	w, err := c.Greet(hello)
	expect.NoError(t, err)
	return w
}

// say sends three messages and ends the session in order.
func say(t *testing.T, c *rawclient.Client) {
	t.Helper()
	expect.NoError(t, c.SendBatch(1, 3))
	expect.NoError(t, c.AwaitAck(3))
	goodbye(t, c, 3)
}

// goodbye ends the session in order after message last.
func goodbye(t *testing.T, c *rawclient.Client, last uint64) {
	t.Helper()
	expect.NoError(t, c.Goodbye(last))
	if err := c.End(); !errors.Is(err, io.EOF) {
		t.Fatalf("the stream ended with %v; want io.EOF", err)
	}
}
