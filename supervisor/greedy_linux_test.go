package supervisor_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bulkhead/internal/protocol"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor"
)

// Clients that take more than their part, each beside an honest one whose messages are all there
// afterwards. How long that one waits is measured by make bench.

// from returns a connection whose address on this machine is ip. It lasts for long: others may have
// much to do meanwhile.
func (s *running) from(ip string) *rawclient.Client {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 5*patience)
	s.t.Cleanup(cancel)
	c, err := rawclient.Dial(ctx, s.addr,
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
			return (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}).DialContext(ctx, "tcp", addr)
		}))
	must(s.t, err)
	s.t.Cleanup(func() { c.Close() })
	return c
}

// honest begins a client whose messages must all arrive; finish ends it and the run, and checks that.
func (s *running) honest() (deliver func(), finish func()) {
	s.t.Helper()
	c, last := s.from("127.0.0.1"), uint64(0)
	_, err := c.Greet(rawclient.Hello("honest"))
	must(s.t, err)
	deliver = func() {
		s.deliver(c, last+1, last+16)
		last += 16
	}
	deliver()
	return deliver, func() {
		s.t.Helper()
		deliver()
		s.closeInOrder(c, last)
		s.interrupts <- syscall.SIGTERM
		s.interrupts <- syscall.SIGTERM // nobody waits for those that do not end
		rep := s.wait()
		if got := wantClient(s.t, rep, "honest", "closed", "said goodbye"); got.LastSeq != last || got.Resumes > 0 {
			s.t.Errorf("the honest client has %d messages, and came %d times again; want %d, and never", got.LastSeq,
				got.Resumes, last)
		}
	}
}

// Greedy clients wait, all of them go on, and none is cut off.
func TestGreedyClientsBesideAnHonestOne(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *supervisor.Config) { c.Overload.JournalShare = 5 })
	deliver, finish := s.honest()
	var all []*rawclient.Sender
	for i := range 14 {
		all = append(all, s.greedyFor(fmt.Sprintf("greedy-%d", i), uint32(i), 8, 0))
	}
	for range 20 {
		deliver()
	}
	for _, g := range all {
		must(t, g.GoesOn(patience))
		if p := g.Progress(); len(p.Ends) > 0 {
			t.Errorf("%s was cut off: %v", g.Name(), p.Ends)
		}
	}
	if s.held() == 0 {
		t.Error("nobody had to wait, so nothing is tested")
	}
	finish()
}

// A client that sends more than session.message_rate or session.byte_rate lets it waits, and is not cut off.
func TestASessionWithinItsRates(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*supervisor.Config){
		"messages": func(c *supervisor.Config) { c.Session.MessageRate = 1000 },
		"bytes":    func(c *supervisor.Config) { c.Session.ByteRate = 1 << 20 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, change)
			deliver, finish := s.honest()
			g := s.greedyFor("greedy", 1, 48, 1024)
			must(t, g.Await(patience, "it has sent more than for a second",
				func(p rawclient.Progress) bool { return p.Acked >= 2048 }))
			deliver()
			if p := g.Progress(); len(p.Ends) > 0 {
				t.Errorf("it was cut off: %v", p.Ends)
			}
			if s.held() == 0 {
				t.Error("it did not wait")
			}
			finish()
		})
	}
}

// held returns how many batches had to wait.
func (s *running) held() (ever uint64) {
	s.t.Helper()
	for _, r := range s.status().GetReserves() {
		if r.GetKind() == bulkheadv1.ReserveKind_RESERVE_KIND_WORK {
			ever = r.GetTimesReached()
		}
	}
	return ever
}

// New clients with Hellos as large as can be, one after the other, wait for one another and not the
// honest one for them; their sessions are told apart.
func TestLargeHellosBesideAnHonestClient(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *supervisor.Config) { c.Overload.JournalShare = 1 })
	deliver, finish := s.honest()
	work := new(bulkheadv1.Workload)
	for i := range protocol.MaxConsumers {
		work.Consumers = append(work.Consumers, &bulkheadv1.ConsumerSpec{Index: uint32(i),
			Path: strings.Repeat("<", 1000)})
	}
	const crowd = 10
	told := make(chan error, crowd)
	for i := range crowd {
		c := s.from("127.0.0.2")
		go func() { // each sends its answer
			h := rawclient.Hello(fmt.Sprintf("large-%d", i))
			h.Workload = work
			_, err := c.Greet(h)
			told <- err
		}()
	}
	for range crowd {
		deliver()
		must(t, <-told)
	}
	if s.held() == 0 {
		t.Error("none of them had to wait, so nothing is tested")
	}
	finish()
}

// Floods of control frames, of several clients that come again each time, end with a reason.
func TestControlFloodsBesideAnHonestClient(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	deliver, finish := s.honest()
	for name, flood := range map[string]func(r *rawclient.Raw) error{
		"pings":    func(r *rawclient.Raw) error { return r.WritePing(false, [8]byte{}) },
		"settings": func(r *rawclient.Raw) error { return r.WriteSettings() },
		"windows":  func(r *rawclient.Raw) error { return r.WriteWindowUpdate(0, 1) },
		"nothing":  func(r *rawclient.Raw) error { return r.WriteData(1, false, nil) },
		"padding":  func(r *rawclient.Raw) error { return r.WriteDataPadded(1, false, nil, make([]byte, 100)) },
		"unread":   func(r *rawclient.Raw) error { return r.WriteData(99, false, make([]byte, 100)) },
	} {
		h := rawclient.Hello(name)
		for range 2 {
			r := s.raw(h)
			for i := 0; i < 200_000 && flood(r) == nil; i++ {
			}
			r.Close()
			deliver()
			s.log.await(t, "client is away", "client", name)
		}
	}
	finish()
}

// A crowd of connections of one address that have a handler and say no Hello leaves places to others,
// whatever they have said.
func TestASilentCrowdBesideAnHonestClient(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *supervisor.Config) { c.Overload.Startups.Start, c.Overload.Startups.Full = 16, 24 })
	deliver, finish := s.honest()
	for range 48 {
		s.from("127.0.0.2") // speaks HTTP/2, and says no more
	}
	s.log.await(t, "connections are shed")
	deliver()
	other := s.greet(rawclient.Hello("other"), 0) // of another address than the crowd
	s.deliver(other, 1, 16)
	s.closeInOrder(other, 16)
	finish()
}

// A client that comes again and again, and says nothing or is sent away each time, is kept away, and
// not those of other addresses.
func TestReconnectsBesideAnHonestClient(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short leaves it out: built for the race detector, connections come no faster than they are allowed to")
	}
	const why = "connections from this address came again and again, and brought nothing"
	for name, change := range map[string]func(*bulkheadv1.Hello){
		"of a session":          func(*bulkheadv1.Hello) {},
		"of a run nobody knows": func(h *bulkheadv1.Hello) { h.RunId = "20200101T000000Z-000000" },
		"of an agent": func(h *bulkheadv1.Hello) {
			h.Name, h.Agent, h.ProtocolMinor = "", &bulkheadv1.Agent{Name: h.GetName()}, protocol.Minor
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, func(c *supervisor.Config) { c.Overload.CrashDelay = time.Second })
			deliver, finish := s.honest()
			h := rawclient.Hello("again")
			change(h)
			const most = 2000 // many more than it takes
			for came, kept := 0, false; !kept; came++ {
				if came == most {
					t.Fatalf("it came %d times", most)
				}
				c := s.from("127.0.0.2")
				_, err := c.Greet(h)
				c.Close()
				kept = err != nil && status.Code(err) == codes.Unavailable && strings.Contains(err.Error(), why)
			}
			deliver()
			finish()
		})
	}
}
