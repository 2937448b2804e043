package client

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

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

const patienceInTests = 30 * time.Second

type serverStream = grpc.BidiStreamingServer[bulkheadv1.ClientFrame, bulkheadv1.ServerFrame]

// logLines keeps what was logged.
type logLines struct {
	mu    sync.Mutex
	lines []string // guarded by mu
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(p))
	return len(p), nil
}

func (l *logLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "")
}

// await waits until one of the texts was logged.
func (l *logLines) await(t *testing.T, texts ...string) {
	t.Helper()
	for deadline := time.Now().Add(patienceInTests); time.Now().Before(deadline); time.Sleep(time.Millisecond) { // polls for the event
		for _, text := range texts {
			if strings.Contains(l.String(), text) {
				return
			}
		}
	}
	t.Fatalf("waited %s for one of %q in the log:\n%s", patienceInTests, texts, l)
}

// startSession runs a session to address; what run returned comes from the channel.
func startSession(t *testing.T, address string, box *outbox, connectTimeout time.Duration) (*session, *logLines, <-chan error) {
	t.Helper()
	log := new(logLines)
	cfg := Config{Supervisor: address, Name: "tester", ConnectTimeout: connectTimeout, Logger: slog.New(slog.NewTextHandler(log, nil))}
	s := newSession(cfg, box.hello, box)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	var running sync.WaitGroup
	running.Go(func() { done <- s.run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return s, log, done
}

func testOutbox(t *testing.T, memory uint64) *outbox {
	return newOutbox(testHello(), memory, 1<<20, filepath.Join(t.TempDir(), "spool"))
}

func wait[T any](t *testing.T, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patienceInTests):
		t.Fatalf("waited %s for %s", patienceInTests, what)
		panic("not reached")
	}
}

// fill puts n messages and the last one in the outbox.
func fill(t *testing.T, box *outbox, n int) {
	t.Helper()
	for i := range n {
		if err := box.add(note(i+1, 20)); err != nil {
			t.Fatal(err)
		}
	}
	stop := &bulkheadv1.Message{Fact: &bulkheadv1.Message_Stop{Stop: &bulkheadv1.Stop{}}}
	if err := box.addLast(stop); err != nil {
		t.Fatal(err)
	}
}

// breakAfter loses the connection after n batches, with or without acks before.
func breakAfter(n int, acks bool, how func(*collector) error) act {
	return func(c *collector, stream serverStream) error {
		if err := c.welcome(stream); err != nil {
			return err
		}
		return c.receive(stream, func(batch int, last uint64) error {
			if batch >= n {
				return how(c)
			}
			if acks {
				return stream.Send(ackFrame(last))
			}
			return nil
		})
	}
}

func unavailable(*collector) error { return status.Error(codes.Unavailable, "handler died") }
func cut(c *collector) error       { c.cut(); return nil }

// ackLate acks only when the window is full, and then each batch.
func ackLate(c *collector, stream serverStream) error {
	if err := c.welcome(stream); err != nil {
		return err
	}
	return c.receive(stream, func(n int, last uint64) error {
		if n < int(c.limits.GetMaxUnackedBatches()) {
			return nil
		}
		return stream.Send(ackFrame(last))
	})
}

func TestSessionDeliversEverythingOnce(t *testing.T) {
	tests := []struct {
		name        string
		acts        []act
		connections int
	}{
		{"undisturbed", []act{orderly}, 1},
		{"late acks", []act{ackLate}, 1},
		{"unavailable after one batch, acked", []act{breakAfter(2, true, unavailable), orderly}, 2},
		{"unavailable, nothing acked", []act{breakAfter(2, false, unavailable), orderly}, 2},
		{"cut", []act{breakAfter(2, true, cut), orderly}, 2},
		{"cut again and again", []act{breakAfter(1, false, cut), breakAfter(1, false, cut), breakAfter(2, true, cut), orderly}, 4},
		{"refused for now", []act{refuse(codes.Unavailable, "no handler is free"), orderly}, 2},
	}
	for _, test := range tests {
		for _, memory := range []uint64{1 << 20, 3000} { // the second needs the spool, and holds a window of batches
			t.Run(test.name, func(t *testing.T) {
				c := startCollector(t, test.acts...)
				box := testOutbox(t, memory)
				fill(t, box, 100)
				_, log, done := startSession(t, c.address, box, patienceInTests)
				if err := wait(t, "the session", done); err != nil {
					t.Fatalf("session: %v\n%s", err, log)
				}
				messages, connections, goodbye := c.snapshot()
				// A cut can come before the next batch is on its way, so there may be fewer.
				if len(messages) != 101 || goodbye == nil || connections > test.connections || connections < min(2, test.connections) {
					t.Errorf("%d messages, goodbye %v, %d connections; want 101, one, at most %d", len(messages), goodbye, connections, test.connections)
				}
				if !box.state().drained {
					t.Error("the outbox is not drained")
				}
			})
		}
	}
}

func TestSessionEndsForGood(t *testing.T) {
	welcomeWith := func(w *bulkheadv1.Welcome, then ...*bulkheadv1.ServerFrame) act {
		return func(_ *collector, stream serverStream) error {
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
		act  act
		want string
	}{
		{"wrong token", refuse(codes.Unauthenticated, "the token is wrong"), "the supervisor refused: the token is wrong; give the token the supervisor was started with, as --token or BULKHEAD_TOKEN"},
		{"wrong version", refuse(codes.FailedPrecondition, "this supervisor speaks version 2"), "the supervisor refused: this supervisor speaks version 2"},
		{"invalid", refuse(codes.InvalidArgument, "no name"), "the supervisor refused: no name"},
		{"limit", refuse(codes.ResourceExhausted, "frame too large"), "the supervisor refused: frame too large"},
		{"closed at once", func(*collector, serverStream) error { return nil }, "closed the session without a welcome"},
		{"closed early", func(c *collector, s serverStream) error { return c.welcome(s) }, "closed the session before goodbye"},
		{"ack first", func(_ *collector, s serverStream) error { return s.Send(ackFrame(1)) }, "not a welcome"},
		{"two welcomes", welcomeWith(&bulkheadv1.Welcome{}, &bulkheadv1.ServerFrame{Frame: &bulkheadv1.ServerFrame_Welcome{}}), "unexpected frame"},
		{"ack of the future", welcomeWith(&bulkheadv1.Welcome{}, ackFrame(99)), "acknowledged message 99"},
		{"resume in the future", welcomeWith(&bulkheadv1.Welcome{ResumeAfter: 99}), "resume after message 99"},
		{"frames too small", welcomeWith(&bulkheadv1.Welcome{Limits: &bulkheadv1.Limits{MaxFrameBytes: 10}}), "message 1 needs a frame"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := startCollector(t, test.act)
			box := testOutbox(t, 1<<20)
			for n := range 3 {
				if err := box.add(note(n, 20)); err != nil {
					t.Fatal(err)
				}
			}
			_, _, done := startSession(t, c.address, box, patienceInTests)
			err := wait(t, "the session", done)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("session: %v; want %q", err, test.want)
			}
			if _, connections, _ := c.snapshot(); connections != 1 {
				t.Errorf("%d connections; want 1", connections)
			}
		})
	}
}

// The supervisor takes Goodbye, but the answer is lost; on the next try it says
// that the session is over.
func TestSessionWhoseLastAnswerIsLostIsClosed(t *testing.T) {
	loseAnswer := func(c *collector, stream serverStream) error {
		if err := orderly(c, stream); err != nil {
			return err
		}
		return cut(c)
	}
	c := startCollector(t, loseAnswer, refuse(codes.FailedPrecondition, "the session is over"))
	box := testOutbox(t, 1<<20)
	fill(t, box, 10)
	_, _, done := startSession(t, c.address, box, patienceInTests)
	if err := wait(t, "the session", done); err != nil {
		t.Errorf("session: %v; want closed", err)
	}
	if _, _, goodbye := c.snapshot(); goodbye == nil {
		t.Error("no goodbye")
	}
}

func TestSessionPassesOnADrain(t *testing.T) {
	c := startCollector(t, func(c *collector, stream serverStream) error {
		if err := c.welcome(stream); err != nil {
			return err
		}
		drain := &bulkheadv1.Drain{Reason: "maintenance", WithinNano: 5e9}
		if err := stream.Send(&bulkheadv1.ServerFrame{Frame: &bulkheadv1.ServerFrame_Drain{Drain: drain}}); err != nil {
			return err
		}
		return c.receive(stream, func(_ int, last uint64) error { return stream.Send(ackFrame(last)) })
	})
	box := testOutbox(t, 1<<20)
	s, _, done := startSession(t, c.address, box, patienceInTests)
	wait(t, "the drain", s.drained)
	if s.drainFrame.GetReason() != "maintenance" || s.drainFrame.GetWithinNano() != 5e9 {
		t.Errorf("drain = %v", s.drainFrame)
	}
	fill(t, box, 1)
	if err := wait(t, "the session", done); err != nil {
		t.Error(err)
	}
}

// closedAddress is an address where nobody listens.
func closedAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func TestSessionGivesUpConnecting(t *testing.T) {
	_, log, done := startSession(t, closedAddress(t), testOutbox(t, 1<<20), time.Second)
	err := wait(t, "the session", done)
	if err == nil || !strings.Contains(err.Error(), "not reachable in ") || !strings.Contains(err.Error(), "(connection refused)") {
		t.Errorf("session: %v", err)
	}
	if text := log.String(); !strings.Contains(text, "not reachable (connection refused); trying again in ") || !strings.Contains(text, "giving up in ") {
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
	if err := wait(t, "the session", done); err == nil || !strings.Contains(err.Error(), "no welcome") {
		t.Errorf("session: %v", err)
	}
}

func TestSessionWaitsForASupervisorThatComesLater(t *testing.T) {
	address := closedAddress(t)
	box := testOutbox(t, 1<<20)
	fill(t, box, 3)
	_, log, done := startSession(t, address, box, patienceInTests)
	log.await(t, "trying again")
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	c := newCollector(t, address, orderly)
	c.listen(listener)
	if err := wait(t, "the session", done); err != nil {
		t.Error(err)
	}
}

func TestSessionStopsWhenCancelled(t *testing.T) {
	silent := func(c *collector, stream serverStream) error {
		if err := c.welcome(stream); err != nil {
			return err
		}
		return c.receive(stream, func(int, uint64) error { return nil }) // never acks
	}
	c := startCollector(t, silent)
	box := testOutbox(t, 1<<20)
	fill(t, box, 200) // more than the window
	cfg := Config{Supervisor: c.address, Name: "tester", ConnectTimeout: patienceInTests, Logger: slog.New(slog.DiscardHandler)}
	s := newSession(cfg, box.hello, box)
	ctx, cancel := context.WithCancelCause(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.run(ctx) }()
	for range c.limits.GetMaxUnackedBatches() {
		wait(t, "a batch", c.arrived)
	}
	reason := errors.New("enough")
	cancel(reason)
	if err := wait(t, "the session", done); !errors.Is(err, reason) {
		t.Errorf("session: %v; want %v", err, reason)
	}
}

// textLog logs to lines.
func textLog(lines *logLines) *slog.Logger { return slog.New(slog.NewTextHandler(lines, nil)) }
