package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bulkhead/internal/config/value"
	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor"
)

// shed returns how many connections the journal says were shed for reasons that begin so.
func (r *running) shed(reason string) (n uint64) {
	r.t.Helper()
	for _, rec := range r.records() {
		s := rec.GetConnectionsShed()
		if s == nil || !strings.HasPrefix(s.GetReason(), reason) {
			continue
		}
		if s.GetCount() == 0 || s.GetSinceUnixNano() == 0 || s.GetSinceUnixNano() > rec.GetTimeUnixNano() {
			r.t.Errorf("a record of no use: %v", rec)
		}
		n += s.GetCount()
	}
	return n
}

// refused connects a client that must be refused with a text.
func (r *running) refused(text string) {
	r.t.Helper()
	_, err := r.dial().Greet(rawclient.Hello("refused"))
	wantStatus(r.t, err, codes.Unavailable, text)
}

// insist connects as one client again and again until it is let in; every refusal
// must be with the text.
func (r *running) insist(h *bulkheadv1.Hello, text string) *rawclient.Client {
	r.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		c := r.dial()
		if _, err := c.Greet(h); err == nil {
			return c
		} else if s := status.Convert(err); s.Code() != codes.Unavailable || !strings.Contains(s.Message(), text) {
			r.t.Fatalf("the client got %v; want UNAVAILABLE with %q", err, text)
		}
		c.Close()
	}
	r.t.Fatal("the client is never let in")
	return nil
}

// New clients are refused when there are enough, until one has ended. Those that are
// there may always come back. Who gets in later was not rejected.
func TestClientsBeyondTheMostAreShed(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *supervisor.Config) { c.Clients.Count, c.Overload.MaxClients = 3, 2 })
	hello := rawclient.Hello("alpha")
	alpha, beta := s.greet(hello, 0), s.greet(rawclient.Hello("beta"), 0)
	const text = "the supervisor serves max_clients=2 clients already; retry after 5s"
	gamma := rawclient.Hello("gamma")
	for range 3 {
		_, err := s.dial().Greet(gamma)
		wantStatus(t, err, codes.Unavailable, text)
	}
	s.deliver(alpha, 1, 3)
	alpha.Close()
	alpha = s.greet(hello, 3)
	if st := s.status(); st.GetShedConnections() != 3 || st.GetRejectedConnections() != 0 ||
		st.GetJoinedClients() != 2 {
		t.Errorf("status %v; want 3 shed, none rejected, 2 clients", st)
	}
	s.closeInOrder(beta, 0)
	last := s.greet(gamma, 0)
	s.deliver(last, 1, 3)
	s.closeInOrder(alpha, 3)
	s.closeInOrder(last, 3)
	rep := s.wait()
	if !rep.Complete() || len(rep.Rejections) != 0 || len(rep.Clients) != 3 {
		t.Errorf("verdict %+v, rejections %v, %d clients; want complete, none, 3", rep.Verdict, rep.Rejections,
			len(rep.Clients))
	}
	if n := s.shed("the supervisor serves max_clients=2 clients already"); n != 3 {
		t.Errorf("the journal says that %d connections were shed; want 3", n)
	}
	if n := s.log.count("connections are shed"); n != 1 {
		t.Errorf("that connections are shed was logged %d times; want once", n)
	}
}

func TestConnectionsOfOneAddressAreShed(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *supervisor.Config) { c.Clients.Count, c.Overload.MaxPerSource = 2, 1 })
	const text = "this address has max_per_source=1 connections already"
	alpha := s.greet(rawclient.Hello("alpha"), 0)
	s.refused(text + "; retry after 5s")
	if st := s.status(); st.GetAcceptedConnections() != 1 || st.GetShedConnections() == 0 {
		t.Errorf("status %v; want one accepted and the others shed", st)
	}
	s.closeInOrder(alpha, 0)
	s.closeInOrder(s.insist(rawclient.Hello("beta"), text), 0)
	shed := s.log.count("connections are shed", "reason", text)
	if rep := s.wait(); !rep.Complete() || len(rep.Rejections) != 0 || s.shed(text) == 0 || shed != 1 {
		t.Errorf("verdict %+v, rejections %v, %d shed, logged %d times", rep.Verdict, rep.Rejections, s.shed(text),
			shed)
	}
}

// A client counts as starting until its Hello.
func TestConnectionsWithoutHelloAreShed(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *supervisor.Config) {
		c.Clients.Count, c.Overload.Startups = 2, value.Startups{Start: 1, Rate: 100, Full: 1}
	})
	const text = "too many connections have not said Hello"
	alpha := s.greet(rawclient.Hello("alpha"), 0) // starts no more
	silent, err := net.Dial("tcp", s.addr)
	must(t, err)
	defer silent.Close()
	s.refused(text + "; retry after 2s")
	s.deliver(alpha, 1, 3)
	silent.Close()
	beta := s.insist(rawclient.Hello("beta"), text)
	s.closeInOrder(alpha, 3)
	s.closeInOrder(beta, 0)
	if rep := s.wait(); !rep.Complete() || s.shed(text) == 0 {
		t.Errorf("verdict %+v, %d shed; want complete and some", rep.Verdict, s.shed(text))
	}
}

// Only crashes that the client can have caused count.
func TestAnAddressThatCrashesHandlersIsDelayed(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *supervisor.Config) { c.Clients.Count, c.Overload.CrashDelay = 2, time.Second })
	hello := rawclient.Hello("alpha")
	s.greet(hello, 0)
	s.killHandler("alpha") // by SIGKILL, which no client can send
	alpha := s.greet(hello, 0)
	s.deliver(alpha, 1, 3)
	pid := s.session("alpha").GetHandlerPid()
	must(t, syscall.Kill(int(pid), syscall.SIGSEGV))
	if err := alpha.End(); status.Code(err) != codes.Unavailable {
		t.Errorf("the stream ended with %v; want UNAVAILABLE", err)
	}
	s.log.await(t, "handler ended badly", "handler_pid", fmt.Sprint(pid))
	const text = "connections from this address crashed handlers"
	s.refused(text + "; retry after 1s")
	alpha = s.insist(hello, text)
	s.closeInOrder(alpha, 3)
	s.serveWhole("beta")
	if rep := s.wait(); !rep.Complete() || s.shed(text) == 0 {
		t.Errorf("verdict %+v, %d shed; want complete and some", rep.Verdict, s.shed(text))
	}
}

// Who sends nonsense again and again gets no more handlers for it, and sessions continue.
func TestAnAddressThatWastesHandlersIsKeptOut(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *supervisor.Config) { c.Clients.Count, c.Overload.CrashDelay = 2, time.Second })
	alpha := s.greet(rawclient.Hello("alpha"), 0)
	const text = "connections from this address used up handlers for nothing"
	const most = 1000 // many more than it takes
	taken := 0
	for refused := false; !refused; taken++ {
		if taken == most {
			t.Fatalf("%d connections took a handler for nothing", most)
		}
		c, err := net.Dial("tcp", s.addr)
		must(t, err)
		must(t, c.SetDeadline(time.Now().Add(patience)))
		_, err = c.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
		must(t, err)
		answer, _ := io.ReadAll(c) // however it ends
		c.Close()
		refused = strings.Contains(string(answer), text+"; retry after 2s")
	}
	s.deliver(alpha, 1, 3)
	beta := s.insist(rawclient.Hello("beta"), text)
	s.closeInOrder(alpha, 3)
	s.closeInOrder(beta, 0)
	if rep := s.wait(); !rep.Complete() || s.shed(text) == 0 {
		t.Errorf("verdict %+v, %d shed; want complete and some", rep.Verdict, s.shed(text))
	}
}

// A connection does not wait for a handler for ever. When handlers start again, those
// that come are served.
func TestConnectionsWithoutAHandlerAreShed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, broken := filepath.Join(dir, "handler"), filepath.Join(dir, "broken")
	must(t, harness.WriteProgram(path,
		fmt.Appendf(nil, "#!/bin/sh\n[ -e '%s' ] && exit 1\nexec '%s'\n", broken, os.Args[0])))
	s := start(t, func(c *supervisor.Config) {
		c.Clients.Count = 3
		c.Handler.Path, c.Handler.Pool, c.Handler.StartTimeout = path, 1, 2*time.Second
	})
	must(t, os.WriteFile(broken, nil, 0o600))
	alpha := s.greet(rawclient.Hello("alpha"), 0) // takes the last good handler
	clients := uint64(1)
	for s.log.count("a handler does not start") == 0 {
		if s.status().GetPoolReady() > 0 { // it had begun to start before
			s.greet(rawclient.Hello("again"), 0).Close()
			clients++
		}
	}
	waiting, err := net.Dial("tcp", s.addr)
	must(t, err)
	defer waiting.Close()
	for s.status().GetAcceptedConnections() <= clients {
	}
	if busy := s.status().GetHandlersBusy(); uint64(busy) > clients {
		t.Errorf("%d handlers are busy; want none for the connection that waits", busy)
	}
	s.refused("no handler is free; retry after 2s")
	s.deliver(alpha, 1, 3)
	must(t, os.Remove(broken))
	s.log.await(t, "handlers start again")
	beta := s.insist(rawclient.Hello("beta"), "no handler is free")
	s.closeInOrder(alpha, 3)
	s.closeInOrder(beta, 0)
	s.interrupts <- syscall.SIGTERM
	rep := s.wait()
	if s.shed("no handler is free") < 2 || len(rep.Rejections) != 0 {
		t.Errorf("%d shed, rejections %v; want at least two and none", s.shed("no handler is free"), rep.Rejections)
	}
	if n := s.log.count("a handler does not start"); n != 1 {
		t.Errorf("that a handler does not start was logged %d times; want once", n)
	}
}

// A run ends at once though refused connections have not gone.
func TestARunDoesNotWaitForTheRefused(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *supervisor.Config) { c.Overload.MaxPerSource = 1 })
	alpha := s.greet(rawclient.Hello("alpha"), 0)
	for range 5 {
		c, err := net.Dial("tcp", s.addr)
		must(t, err)
		defer c.Close()
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for s.status().GetShedConnections() < 5 {
		if err := ctx.Err(); err != nil {
			t.Fatal(err)
		}
	}
	s.closeInOrder(alpha, 0)
	s.wait()
	if n := s.shed("this address"); n != 5 {
		t.Errorf("%d connections were shed; want 5", n)
	}
	if _, err := net.Dial("tcp", s.addr); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("the listener is still there: %v", err)
	}
}

// A client whose session is away comes back from an address that nobody knows, although others
// hold every place; a client that is new does not get in that way.
func TestAnAwaitedClientComesFromAnotherAddress(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *supervisor.Config) {
		c.Clients.Count, c.Overload.Startups, c.Session.HelloTimeout = 2, value.Startups{Start: 2, Rate: 100,
			Full: 2}, patience
		c.Session.Grace = patience
	})
	hello := rawclient.Hello("alpha")
	c := s.from("127.0.0.2")
	_, err := c.Greet(hello)
	must(t, err)
	s.deliver(c, 1, 3)
	must(t, c.Close())
	s.log.await(t, "client is away", "client", "alpha")
	s.from("127.0.0.3") // speaks, and says no Hello
	s.from("127.0.0.4")
	const told = "the places that are left are for clients that come back"
	var w *bulkheadv1.Welcome
	// A place in the lane is kept for a short time, which a busy machine may need for itself.
	for by := time.Now().Add(patience); ; {
		if _, err = s.from("127.0.0.5").Greet(rawclient.Hello("beta")); err == nil ||
			strings.Contains(err.Error(), told) || time.Now().After(by) {
			break
		}
	}
	wantStatus(t, err, codes.Unavailable, told)
	wantReason(t, err, bulkheadv1.Reason_REASON_OVERLOADED)
	for by := time.Now().Add(patience); ; {
		c = s.from("127.0.0.6")
		if w, err = c.Greet(hello); err == nil || time.Now().After(by) {
			break
		}
	}
	must(t, err)
	if w.GetResumeAfter() != 3 {
		t.Errorf("Welcome = %v; want one that continues after 3", w)
	}
	s.closeInOrder(c, 3)
	s.interrupts <- syscall.SIGTERM
	s.wait()
}
