package session

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"bulkhead/client/outbox"
	"bulkhead/client/spec"
	"bulkhead/internal/config/value"
	"bulkhead/internal/testing/scripted"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// startSession runs a session to address; what run returned comes from the channel.
func startSession(t *testing.T, address string, box *outbox.Outbox, connectTimeout time.Duration) (*Session,
	*scripted.LogLines, <-chan error) {
	t.Helper()
	log := new(scripted.LogLines)
	cfg := spec.Config{Supervisor: value.Addresses{address}, Name: "tester", ConnectTimeout: connectTimeout,
		Logger: slog.New(slog.NewTextHandler(log, nil))}
	s := New(cfg, box.Hello, box)
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

func testOutbox(t *testing.T, memory uint64) *outbox.Outbox {
	return outbox.New(scripted.TestHello(), memory, 1<<20, filepath.Join(t.TempDir(), "spool"))
}

// fill puts n messages and the last one in the outbox.
func fill(t *testing.T, box *outbox.Outbox, n int) {
	t.Helper()
	for i := range n {
		if err := box.Add(scripted.Note(i+1, 20)); err != nil {
			t.Fatal(err)
		}
	}
	stop := &bulkheadv1.Message{Fact: &bulkheadv1.Message_Stop{Stop: &bulkheadv1.Stop{}}}
	if err := box.AddLast(stop); err != nil {
		t.Fatal(err)
	}
}

func TestSessionDeliversEverythingOnce(t *testing.T) {
	tests := []struct {
		name        string
		acts        []scripted.Act
		connections int
	}{
		{"undisturbed", []scripted.Act{scripted.Orderly}, 1},
		{"late acks", []scripted.Act{scripted.AckLate}, 1},
		{"unavailable after one batch, acked",
			[]scripted.Act{scripted.BreakAfter(2, true, scripted.Unavailable), scripted.Orderly}, 2},
		{"unavailable, nothing acked",
			[]scripted.Act{scripted.BreakAfter(2, false, scripted.Unavailable), scripted.Orderly}, 2},
		{"cut", []scripted.Act{scripted.BreakAfter(2, true, scripted.Cut), scripted.Orderly}, 2},
		{"cut again and again", []scripted.Act{scripted.BreakAfter(1, false, scripted.Cut),
			scripted.BreakAfter(1, false, scripted.Cut), scripted.BreakAfter(2, true, scripted.Cut), scripted.Orderly},
			4},
		{"refused for now", []scripted.Act{scripted.Refuse(codes.Unavailable, "no handler is free"), scripted.Orderly},
			2},
	}
	for _, test := range tests {
		for _, memory := range []uint64{1 << 20, 3000} { // the second needs the spool, and holds a window of batches
			t.Run(test.name, func(t *testing.T) {
				c := scripted.Start(t, test.acts...)
				box := testOutbox(t, memory)
				fill(t, box, 100)
				_, log, done := startSession(t, c.Address, box, scripted.PatienceInTests)
				if err := scripted.Wait(t, "the session", done); err != nil {
					t.Fatalf("session: %v\n%s", err, log)
				}
				messages, connections, goodbye := c.Snapshot()
				// A cut can come before the next batch is on its way, so there may be fewer.
				if len(messages) != 101 || goodbye == nil || connections > test.connections ||
					connections < min(2, test.connections) {
					t.Errorf("%d messages, goodbye %v, %d connections; want 101, one, at most %d", len(messages),
						goodbye, connections, test.connections)
				}
				if !box.State().Drained {
					t.Error("the outbox is not drained")
				}
			})
		}
	}
}

func TestSessionEndsForGood(t *testing.T) {
	welcomeWith := func(w *bulkheadv1.Welcome, then ...*bulkheadv1.ServerFrame) scripted.Act {
		return func(_ *scripted.Collector, stream scripted.ServerStream) error {
			frames := append([]*bulkheadv1.ServerFrame{{Frame: &bulkheadv1.ServerFrame_Welcome{Welcome: w}}}, then...)
			for _, f := range frames {
				if err := stream.Send(f); err != nil {
					return err
				}
			}
			<-stream.Context().Done()
			return nil
		}
	}
	tests := []struct {
		name string
		act  scripted.Act
		want string
	}{
		{"wrong token", scripted.Refuse(codes.Unauthenticated, "the token is wrong"),
			"the supervisor refused: the token is wrong; give the token the supervisor was started with, in " +
				"the file of --token-file or as BULKHEAD_TOKEN"},
		{"wrong version", scripted.Refuse(codes.FailedPrecondition, "this supervisor speaks version 2"),
			"the supervisor refused: this supervisor speaks version 2"},
		{"invalid", scripted.Refuse(codes.InvalidArgument, "no name"), "the supervisor refused: no name"},
		{"limit", scripted.Refuse(codes.ResourceExhausted, "frame too large"),
			"the supervisor refused: frame too large"},
		{"closed at once", func(*scripted.Collector, scripted.ServerStream) error { return nil },
			"closed the session without a welcome"},
		{"closed early", func(c *scripted.Collector, s scripted.ServerStream) error { return c.Welcome(s) },
			"closed the session before goodbye"},
		{"ack first", func(_ *scripted.Collector,
			s scripted.ServerStream) error {
			return s.Send(scripted.AckFrame(1))
		}, "not a welcome"},
		{"two welcomes", welcomeWith(&bulkheadv1.Welcome{},
			&bulkheadv1.ServerFrame{Frame: &bulkheadv1.ServerFrame_Welcome{}}), "unexpected frame"},
		{"ack of the future", welcomeWith(&bulkheadv1.Welcome{}, scripted.AckFrame(99)), "acknowledged message 99"},
		{"resume in the future", welcomeWith(&bulkheadv1.Welcome{ResumeAfter: 99}), "resume after message 99"},
		{"frames too small", welcomeWith(&bulkheadv1.Welcome{Limits: &bulkheadv1.Limits{MaxFrameBytes: 10}}),
			"message 1 needs a frame"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := scripted.Start(t, test.act)
			box := testOutbox(t, 1<<20)
			for n := range 3 {
				if err := box.Add(scripted.Note(n, 20)); err != nil {
					t.Fatal(err)
				}
			}
			_, _, done := startSession(t, c.Address, box, scripted.PatienceInTests)
			err := scripted.Wait(t, "the session", done)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("session: %v; want %q", err, test.want)
			}
			if _, connections, _ := c.Snapshot(); connections != 1 {
				t.Errorf("%d connections; want 1", connections)
			}
		})
	}
}

// The supervisor takes Goodbye, but the answer is lost; on the next try it says
// that the session is over.
func TestSessionWhoseLastAnswerIsLostIsClosed(t *testing.T) {
	loseAnswer := func(c *scripted.Collector, stream scripted.ServerStream) error {
		if err := scripted.Orderly(c, stream); err != nil {
			return err
		}
		return scripted.Cut(c)
	}
	c := scripted.Start(t, loseAnswer, scripted.Refuse(codes.FailedPrecondition, "the session is over"))
	box := testOutbox(t, 1<<20)
	fill(t, box, 10)
	_, _, done := startSession(t, c.Address, box, scripted.PatienceInTests)
	if err := scripted.Wait(t, "the session", done); err != nil {
		t.Errorf("session: %v; want closed", err)
	}
	if _, _, goodbye := c.Snapshot(); goodbye == nil {
		t.Error("no goodbye")
	}
}

func TestSessionPassesOnADrain(t *testing.T) {
	c := scripted.Start(t, func(c *scripted.Collector, stream scripted.ServerStream) error {
		if err := c.Welcome(stream); err != nil {
			return err
		}
		drain := &bulkheadv1.Drain{Reason: "maintenance", WithinNano: 5e9}
		if err := stream.Send(&bulkheadv1.ServerFrame{Frame: &bulkheadv1.ServerFrame_Drain{Drain: drain}}); err != nil {
			return err
		}
		return c.Receive(stream, func(_ int, last uint64) error { return stream.Send(scripted.AckFrame(last)) })
	})
	box := testOutbox(t, 1<<20)
	s, _, done := startSession(t, c.Address, box, scripted.PatienceInTests)
	scripted.Wait(t, "the drain", s.Drained)
	if s.DrainFrame.GetReason() != "maintenance" || s.DrainFrame.GetWithinNano() != 5e9 {
		t.Errorf("drain = %v", s.DrainFrame)
	}
	fill(t, box, 1)
	if err := scripted.Wait(t, "the session", done); err != nil {
		t.Error(err)
	}
}

func TestSessionGivesUpConnecting(t *testing.T) {
	_, log, done := startSession(t, scripted.ClosedAddress(t), testOutbox(t, 1<<20), time.Second)
	err := scripted.Wait(t, "the session", done)
	if err == nil || !strings.Contains(err.Error(), "not reachable in ") ||
		!strings.Contains(err.Error(), "(connection refused)") {
		t.Errorf("session: %v", err)
	}
	if text := log.String(); !strings.Contains(text, "not reachable (connection refused); trying again in ") ||
		!strings.Contains(text, "giving up in ") {
		t.Errorf("log: %s", text)
	}
}

func TestSessionGivesUpOnSilence(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") // accepts in the kernel, says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, _, done := startSession(t, listener.Addr().String(), testOutbox(t, 1<<20), time.Second)
	if err := scripted.Wait(t, "the session", done); err == nil || !strings.Contains(err.Error(), "no welcome") {
		t.Errorf("session: %v", err)
	}
}

func TestSessionWaitsForASupervisorThatComesLater(t *testing.T) {
	address := scripted.ClosedAddress(t)
	box := testOutbox(t, 1<<20)
	fill(t, box, 3)
	_, log, done := startSession(t, address, box, scripted.PatienceInTests)
	log.Await(t, "trying again")
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	c := scripted.New(t, address, scripted.Orderly)
	c.Listen(listener)
	if err := scripted.Wait(t, "the session", done); err != nil {
		t.Error(err)
	}
}

func TestSessionStopsWhenCancelled(t *testing.T) {
	silent := func(c *scripted.Collector, stream scripted.ServerStream) error {
		if err := c.Welcome(stream); err != nil {
			return err
		}
		return c.Receive(stream, func(int, uint64) error { return nil }) // never acks
	}
	c := scripted.Start(t, silent)
	box := testOutbox(t, 1<<20)
	fill(t, box, 200) // more than the window
	cfg := spec.Config{Supervisor: value.Addresses{c.Address}, Name: "tester", ConnectTimeout: scripted.PatienceInTests,
		Logger: slog.New(slog.DiscardHandler)}
	s := New(cfg, box.Hello, box)
	ctx, cancel := context.WithCancelCause(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	for range c.Limits.GetMaxUnackedBatches() {
		scripted.Wait(t, "a batch", c.Arrived)
	}
	reason := errors.New("enough")
	cancel(reason)
	if err := scripted.Wait(t, "the session", done); !errors.Is(err, reason) {
		t.Errorf("session: %v; want %v", err, reason)
	}
}
