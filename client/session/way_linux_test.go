package session

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"

	"bulkhead/client/outbox"
	"bulkhead/client/spec"
	"bulkhead/internal/config/value"
	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/scripted"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// several runs a session that has these addresses and begins with the first.
func several(t *testing.T, box *outbox.Outbox, continues bool, addresses ...string) (*Session, *scripted.LogLines,
	<-chan error) {
	t.Helper()
	log := new(scripted.LogLines)
	s := New(spec.Config{Supervisor: addresses, FirstSupervisor: addresses[0], Name: "tester",
		ConnectTimeout: scripted.PatienceInTests, Logger: scripted.TextLog(log)}, box.Hello, box)
	s.Continues = continues
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	var running sync.WaitGroup
	running.Go(func() { done <- s.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return s, log, done
}

// blackHole returns an address that answers no connect: of a listener whose backlog is full.
func blackHole(t *testing.T) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: name.(*unix.SockaddrInet4).Port}).String()
	for range 8 { // until one is not answered
		conn, err := net.DialTimeout("tcp", address, 200*time.Millisecond)
		if err != nil {
			return address
		}
		t.Cleanup(func() { conn.Close() })
	}
	t.Fatal("the backlog is never full")
	return ""
}

// silent returns an address that takes connections and says nothing.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") // the kernel takes them
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// An address that does not serve, whyever, costs no client its session, and is named once.
func TestOneAddressOfTwoDoesNotServe(t *testing.T) {
	refusing := func(code codes.Code, text string) func(*testing.T) string {
		return func(t *testing.T) string { return scripted.Start(t, scripted.Refuse(code, text)).Address }
	}
	for _, tt := range []struct {
		name string
		bad  func(*testing.T) string
		says string // of the bad one, though the other serves
	}{
		{"nobody listens", scripted.ClosedAddress, ""},
		{"nobody answers", blackHole, ""},
		{"no welcome comes", silent, "does not serve this client (no welcome in "},
		{"it is busy", refusing(codes.Unavailable, "full"), "does not serve this client (full)"},
		{"it is no supervisor", refusing(codes.Unimplemented, "who?"),
			"does not serve this client (what listens there is not a supervisor: who?)"},
		{"it has no address", func(*testing.T) string { return "nowhere.invalid:7420" }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			good := scripted.Start(t, scripted.Orderly)
			bad, box := tt.bad(t), testOutbox(t, 1<<20)
			fill(t, box, 3)
			_, log, done := several(t, box, true, bad, good.Address)
			if err := scripted.Wait(t, "the end", done); err != nil {
				t.Fatalf("%v\n%s", err, log)
			}
			messages, connections, goodbye := good.Snapshot()
			if len(messages) != 4 || connections != 1 || goodbye == nil {
				t.Errorf("%d messages on %d connections", len(messages), connections)
			}
			if strings.Count(log.String(), "level=WARN") > 1 || !strings.Contains(log.String(), tt.says) {
				t.Errorf("it says:\n%s", log)
			}
		})
	}
}

// When none serves, the error says of each why.
func TestNoAddressServes(t *testing.T) {
	closed, odd := scripted.ClosedAddress(t), scripted.Start(t, scripted.Refuse(codes.Unimplemented, "who?")).Address
	box := testOutbox(t, 1<<20)
	s := New(spec.Config{Supervisor: value.Addresses{closed, odd}, FirstSupervisor: closed, Name: "tester",
		ConnectTimeout: time.Second, Logger: scripted.TextLog(new(scripted.LogLines))}, box.Hello, box)
	err := s.Run(t.Context())
	for _, want := range []string{"supervisor " + closed + ", " + odd + " not reachable in ",
		closed + ": connection refused",
		odd + ": what listens there is not a supervisor: who?"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q in it", err, want)
		}
	}
	// All of them are no supervisors: that is final.
	odder := scripted.Start(t, scripted.Refuse(codes.Unimplemented, "me?")).Address
	s = New(spec.Config{Supervisor: value.Addresses{odd, odder},
		Name: "tester", ConnectTimeout: time.Hour, Logger: scripted.TextLog(new(scripted.LogLines))}, box.Hello, box)
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "is not a supervisor") {
		t.Errorf("%v; want what they are", err)
	}
	// A refusal is the answer of all.
	no := scripted.Start(t, scripted.Refuse(codes.Unauthenticated, "wrong token"))
	_, _, done := several(t, testOutbox(t, 1<<20), true, no.Address, silent(t))
	if err := scripted.Wait(t, "the refusal", done); err == nil || !strings.Contains(err.Error(), "wrong token") {
		t.Errorf("%v; want the refusal", err)
	}
}

// twoPaths returns two addresses of one supervisor, as of two that have one run.
func twoPaths(t *testing.T, c *scripted.Collector) (a, b *harness.Path) {
	t.Helper()
	var paths [2]*harness.Path
	for i := range paths {
		p, err := harness.NewPath(c.Address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Close)
		paths[i] = p
	}
	return paths[0], paths[1]
}

// A session continues at the other address, with the messages that were not acknowledged, and comes
// back where it was after a mere cut.
func TestSessionGoesOnElsewhere(t *testing.T) {
	lost := func(a *harness.Path) scripted.Act {
		return scripted.BreakAfter(2, true, func(*scripted.Collector) error {
			a.Refuse()
			a.Cut()
			return nil
		})
	}
	cut := func(a *harness.Path) scripted.Act {
		return scripted.BreakAfter(2, true, func(*scripted.Collector) error { a.Cut(); return nil })
	}
	for _, tt := range []struct {
		name  string
		first func(a *harness.Path) scripted.Act
		back  bool
	}{
		{"the supervisor is killed", lost, false},
		{"the connection is cut", cut, true},
		{"it is sent away", func(*harness.Path) scripted.Act {
			return scripted.BreakAfter(2, true, func(*scripted.Collector) error {
				return scripted.Unavailable(nil)
			})
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := scripted.Start(t, scripted.Orderly)
			a, b := twoPaths(t, c)
			c.Acts = []scripted.Act{tt.first(a), scripted.Orderly}
			box := testOutbox(t, 1<<20)
			fill(t, box, 64)
			_, log, done := several(t, box, true, a.Addr(), b.Addr())
			if err := scripted.Wait(t, "the end", done); err != nil {
				t.Fatalf("%v\n%s", err, log)
			}
			if messages, connections, _ := c.Snapshot(); len(messages) != 65 || connections != 2 {
				t.Errorf("%d messages on %d connections", len(messages), connections)
			}
			if back := b.Peer() == ""; back != tt.back {
				t.Errorf("it came back is %v; want %v\n%s", back, tt.back, log)
			}
		})
	}
}

// A supervisor of another run does not get a session whose own supervisor may come back in time.
func TestSessionStaysInItsRunWhileItCan(t *testing.T) {
	own := scripted.Start(t, scripted.Orderly)
	a, _ := twoPaths(t, own)
	asked := make(chan struct{}, 100)
	other := scripted.Start(t, func(*scripted.Collector, scripted.ServerStream) error {
		asked <- struct{}{}
		return scripted.UnknownRun("run-2")
	})
	own.Limits.GraceNano = int64(time.Hour)
	own.Acts = []scripted.Act{scripted.BreakAfter(2, true, func(*scripted.Collector) error {
		a.Refuse()
		a.Cut()
		return nil
	}), scripted.Orderly}
	box := testOutbox(t, 1<<20)
	fill(t, box, 64)
	s, log, done := several(t, box, true, a.Addr(), other.Address)
	for range 2 { // in two rounds
		scripted.Wait(t, "a try elsewhere", asked)
	}
	if err := a.Admit(); err != nil {
		t.Fatal(err)
	}
	if err := scripted.Wait(t, "the end", done); err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	if messages, _, _ := own.Snapshot(); len(messages) != 65 || len(s.Moves) != 0 {
		t.Errorf("its run has %d messages; the session moved %v", len(messages), s.Moves)
	}
	if n := strings.Count(log.String(), "does not serve this client"); n > 1 {
		t.Errorf("it is said %d times that the other has another run", n)
	}
}

// But when its grace time is over, or nobody has its run any more, it continues where it can.
func TestSessionLeavesARunThatNobodyHas(t *testing.T) {
	unknown := func(current string) scripted.Act {
		return func(*scripted.Collector, scripted.ServerStream) error { return scripted.UnknownRun(current) }
	}
	for _, tt := range []struct {
		name  string
		grace time.Duration
		lost  bool // its supervisor does not come back
	}{
		{"the grace time is over", time.Nanosecond, true},
		{"nobody has it", time.Hour, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			own, other := scripted.Start(t, scripted.Orderly), scripted.Start(t, unknown("run-2"), scripted.Orderly)
			a, _ := twoPaths(t, own)
			own.Limits.GraceNano = int64(tt.grace)
			own.Acts = []scripted.Act{scripted.BreakAfter(2, true, func(*scripted.Collector) error {
				if tt.lost {
					a.Refuse()
				}
				a.Cut()
				return nil
			}), unknown("run-3")}
			box := testOutbox(t, 1<<20)
			fill(t, box, 64)
			s, log, done := several(t, box, true, a.Addr(), other.Address)
			if err := scripted.Wait(t, "the end", done); err != nil {
				t.Fatalf("%v\n%s", err, log)
			}
			before, _, _ := own.Snapshot()
			after, _, goodbye := other.Snapshot()
			acked := s.Moves[0].After
			if len(s.Moves) != 1 || acked > uint64(len(before)) || acked+uint64(len(after)) != 65 || goodbye == nil {
				t.Errorf("%d messages arrived, and then %d, after %v\n%s", len(before), len(after), s.Moves, log)
			}
		})
	}
}

// What does not continue in another run, as a spool, is not given to one while that of its own is
// not there to ask.
func TestSpoolWaitsForItsOwnRun(t *testing.T) {
	other := scripted.Start(t, func(*scripted.Collector, scripted.ServerStream) error {
		return scripted.UnknownRun("run-2")
	})
	run := func(timeout time.Duration, addresses ...string) error {
		box := testOutbox(t, 1<<20)
		fill(t, box, 3)
		box.Hello.RunId = "run-1"
		s := New(spec.Config{Supervisor: addresses, Name: "tester", ConnectTimeout: timeout,
			Logger: scripted.TextLog(new(scripted.LogLines))}, box.Hello, box)
		s.AwayTimeout = timeout
		return s.Run(t.Context())
	}
	own := scripted.Start(t, scripted.Orderly)
	if err := run(scripted.PatienceInTests, other.Address, own.Address); err != nil {
		t.Errorf("the right one is not asked: %v", err)
	}
	err := run(time.Second, other.Address, scripted.ClosedAddress(t))
	if why, _ := RefusedRun(&bulkheadv1.Hello{RunId: "run-1"}, err); why != 0 || err == nil {
		t.Errorf("%v (%v); want that one is not reachable", err, why)
	}
	err = run(scripted.PatienceInTests, other.Address, scripted.Start(t,
		func(*scripted.Collector, scripted.ServerStream) error { return scripted.UnknownRun("run-3") }).Address)
	if why, _ := RefusedRun(&bulkheadv1.Hello{RunId: "run-1"}, err); why != bulkheadv1.Reason_REASON_RUN_UNKNOWN {
		t.Errorf("%v; want that nobody knows the run", err)
	}
}
