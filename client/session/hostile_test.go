package session

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"bulkhead/client/outbox"
	"bulkhead/client/spec"
	"bulkhead/internal/config/value"
	"bulkhead/internal/reason"
	"bulkhead/internal/testing/scripted"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// evil is a text that would do something to a terminal, and is longer than any may be.
var evil = "\x1b]0;owned\a\x1b[2J\r\n\u202e" + strings.Repeat("x\x1b[31m", 600)

// sayWelcome welcomes with w and these frames, and then says nothing more.
func sayWelcome(w *bulkheadv1.Welcome, then ...*bulkheadv1.ServerFrame) scripted.Act {
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

// flood welcomes, and sends a frame again and again until the client has had enough.
func flood(frame *bulkheadv1.ServerFrame) scripted.Act {
	return func(c *scripted.Collector, stream scripted.ServerStream) error {
		if err := c.Welcome(stream); err != nil {
			return err
		}
		for {
			if err := stream.Send(frame); err != nil {
				return err
			}
		}
	}
}

// comeAgain refuses for now, and asks to come again after that time.
func comeAgain(after time.Duration, text string) error {
	s, err := status.New(codes.Unavailable, text).WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(after)})
	if err != nil {
		return err
	}
	return s.Err()
}

// raw is a server that says bytes to each connection, over and over if again, until the far side
// has gone.
func raw(t *testing.T, again bool, say ...[]byte) (address string, came func() int) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	count := 0
	serve := func(socket net.Conn) {
		defer socket.Close()
		all.Go(func() { // ends with the socket
			buffer := make([]byte, 1<<16)
			for {
				if _, err := socket.Read(buffer); err != nil {
					socket.Close()
					return
				}
			}
		})
		for first := true; first || again; first = false {
			for _, p := range say {
				if _, err := socket.Write(p); err != nil {
					return
				}
			}
		}
	}
	all.Go(func() { // ends with the listener
		for {
			socket, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			count++
			mu.Unlock()
			all.Go(func() { serve(socket) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		all.Wait()
	})
	return listener.Addr().String(), func() int {
		mu.Lock()
		defer mu.Unlock()
		return count
	}
}

// said is a log whose lines are as they would reach a terminal that nothing protects.
type said struct {
	mu   sync.Mutex
	text strings.Builder // guarded by mu
}

func (l *said) Enabled(context.Context, slog.Level) bool { return true }
func (l *said) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *said) WithGroup(string) slog.Handler            { return l }

func (l *said) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.WriteString(r.Message)
	r.Attrs(func(a slog.Attr) bool { fmt.Fprintf(&l.text, " %s=%v", a.Key, a.Value); return true })
	l.text.WriteString("\n")
	return nil
}

// hostile is a supervisor that does a client harm.
type hostile struct {
	name string
	acts []scripted.Act
	raw  [][]byte // instead of acts
	over bool     // raw comes over and over
	run  string   // in which the client has been
}

func hostiles() []hostile {
	ack := func(seq uint64) *bulkheadv1.ServerFrame { return scripted.AckFrame(seq) }
	empty := new(bulkheadv1.ServerFrame)
	drain := &bulkheadv1.ServerFrame{Frame: &bulkheadv1.ServerFrame_Drain{Drain: &bulkheadv1.Drain{Reason: evil[:60]}}}
	refuse := func(code codes.Code, why bulkheadv1.Reason, about map[string]string) scripted.Act {
		return func(*scripted.Collector, scripted.ServerStream) error {
			s, err := status.New(code, evil).WithDetails(reason.Info(why, about))
			if err != nil {
				return err
			}
			return s.Err()
		}
	}
	soon := func(*scripted.Collector, scripted.ServerStream) error { return comeAgain(time.Nanosecond, evil) }
	huge := &bulkheadv1.Limits{MaxFrameBytes: math.MaxUint32, MaxBatchMessages: math.MaxUint32,
		MaxUnackedBatches: math.MaxUint32, GraceNano: math.MinInt64, SilenceNano: math.MaxInt64}
	return []hostile{
		{name: "come again in a nanosecond", acts: []scripted.Act{soon}},
		{name: "come again in a nanosecond, by GOAWAY", raw: [][]byte{goAwayBytes(evil[:300] + "; retry after 1ns")}},
		{name: "welcome, and come again in a nanosecond",
			acts: []scripted.Act{func(c *scripted.Collector, stream scripted.ServerStream) error {
				if err := c.Welcome(stream); err != nil {
					return err
				}
				if err := stream.Send(ack(0)); err != nil { // which is no progress
					return err
				}
				return comeAgain(1, evil)
			}}},
		{name: "come again in a century", acts: []scripted.Act{
			func(*scripted.Collector, scripted.ServerStream) error { return comeAgain(math.MaxInt64, evil) }}},
		{name: "a run of a long name", acts: []scripted.Act{sayWelcome(&bulkheadv1.Welcome{
			RunId: strings.Repeat("r", 1<<16)})}},
		{name: "a run of another kind of name", acts: []scripted.Act{sayWelcome(&bulkheadv1.Welcome{
			RunId: "\x1b[2Jrun"})}},
		{name: "a session of another kind of name", acts: []scripted.Act{sayWelcome(&bulkheadv1.Welcome{
			RunId: "run-1", SessionId: "a\nb"})}},
		{name: "limits without limit", acts: []scripted.Act{sayWelcome(&bulkheadv1.Welcome{RunId: "run-1",
			SupervisorVersion: evil, Limits: huge}, ack(99))}},
		{name: "a frame of two MiB", acts: []scripted.Act{sayWelcome(&bulkheadv1.Welcome{RunId: "run-1",
			SupervisorVersion: strings.Repeat("v", 2<<20)})}},
		{name: "an ack of the future", acts: []scripted.Act{sayWelcome(&bulkheadv1.Welcome{}, ack(math.MaxUint64))}},
		{name: "it has more than was said", acts: []scripted.Act{
			sayWelcome(&bulkheadv1.Welcome{ResumeAfter: math.MaxUint64})}},
		{name: "empty frames for ever", acts: []scripted.Act{flood(empty)}},
		{name: "the same ack for ever", acts: []scripted.Act{flood(ack(0))}},
		{name: "a drain for ever", acts: []scripted.Act{flood(drain)}},
		{name: "a refusal with an evil text", acts: []scripted.Act{scripted.Refuse(codes.InvalidArgument, evil)}},
		{name: "a reason with evil names", run: "run-0", acts: []scripted.Act{
			refuse(codes.FailedPrecondition, bulkheadv1.Reason_REASON_RUN_UNKNOWN, map[string]string{reason.Run: evil}),
			scripted.Refuse(codes.InvalidArgument, evil)}},
		{name: "a run that is over after all that could be", run: "run-0", acts: []scripted.Act{
			refuse(codes.FailedPrecondition, bulkheadv1.Reason_REASON_RUN_OVER, map[string]string{
				reason.Run: "run-0", reason.Outcome: "lost", reason.After: "18446744073709551615"}),
			scripted.Refuse(codes.InvalidArgument, evil)}},
		{name: "garbage", raw: [][]byte{[]byte(strings.Repeat(evil, 20))}, over: true},
		{name: "another protocol", raw: [][]byte{[]byte("HTTP/1.1 200 OK\r\nContent-Type: \x1b[2J\r\n\r\n")}},
		{name: "pings for ever", raw: [][]byte{http2Frame(0x4, nil),
			[]byte(strings.Repeat(string(http2Frame(0x6, make([]byte, 8))), 1000))}, over: true},
		{name: "settings for ever", over: true,
			raw: [][]byte{[]byte(strings.Repeat(string(http2Frame(0x4, nil)), 1000))}},
		{name: "a frame that never ends", raw: [][]byte{http2Frame(0x4, nil), {0xff, 0xff, 0xff, 0x0, 0, 0, 0, 0, 1}}},
		{name: "silence", raw: [][]byte{}},
	}
}

// Whatever a hostile supervisor does: the client comes back no more often than it would by
// itself, prints nothing that does anything to a terminal, keeps nothing longer than it may be,
// and has every message in its spool afterwards, from where an honest supervisor gets them all.
func TestHostileSupervisors(t *testing.T) {
	for _, h := range hostiles() {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			var address string
			var came func() int
			if h.acts == nil {
				address, came = raw(t, h.over, h.raw...)
			} else {
				c := scripted.Start(t, h.acts...)
				address, came = c.Address, func() int { _, n, _ := c.Snapshot(); return n }
			}
			box := testOutbox(t, 3000)
			box.Hello.RunId = h.run
			fill(t, box, 100)
			const patience, away = 300 * time.Millisecond, time.Second
			log := new(said)
			s := New(spec.Config{Supervisor: value.Addresses{address}, Name: "tester", ConnectTimeout: patience,
				Logger: slog.New(log)},
				box.Hello, box)
			s.AwayTimeout, s.Continues = away, true
			done := make(chan error, 1)
			go func() { done <- s.Run(t.Context()) }() // its end is waited for
			err := scripted.Wait(t, "the session", done)
			if err == nil {
				t.Fatal("a session with a hostile supervisor was closed in order")
			}
			// No wait is shorter than half of backoffFirst, and there is a last one.
			if most := int((shedTimes*patience+away)/(backoffFirst/2)) + 2; came() > most {
				t.Errorf("%d connections; want at most %d", came(), most)
			}
			checkPrinted(t, "the error", err.Error(), 2<<10)
			checkPrinted(t, "the log", log.text.String(), 64<<10)
			deliverRest(t, box)
		})
	}
}

// checkPrinted checks that a text is short, and that nothing of it does anything to a terminal.
func checkPrinted(t *testing.T, what, text string, most int) {
	t.Helper()
	odd := func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }
	if len(text) > most || strings.ContainsFunc(text, odd) {
		t.Errorf("%s has %d bytes: %.500q", what, len(text), text)
	}
}

// deliverRest closes an outbox, and checks that its spool delivers 101 messages to an honest
// supervisor.
func deliverRest(t *testing.T, box *outbox.Outbox) {
	t.Helper()
	path, err := box.Close()
	if err != nil || path == "" {
		t.Fatalf("the spool is %q, %v", path, err)
	}
	file, summary, err := outbox.OpenSpool(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.File.Close()
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); summary.Messages != 101 ||
		summary.Damage != "" || len(left) != 1 || len(summary.Hello.GetRunId()) > 128 {
		t.Fatalf("the spool holds %d messages, damage %q, of run %q, beside %q", summary.Messages, summary.Damage,
			summary.Hello.GetRunId(), left)
	}
	rest, err := outbox.FromSpool(summary.Hello, file, 0, 101, 0, false)
	if err != nil {
		t.Fatal(err)
	}
	c := scripted.Start(t, scripted.Orderly)
	_, _, done := startSession(t, c.Address, rest, scripted.PatienceInTests)
	if err := scripted.Wait(t, "the honest session", done); err != nil {
		t.Fatal(err)
	}
	if messages, _, goodbye := c.Snapshot(); len(messages) != 101 || goodbye == nil {
		t.Errorf("an honest supervisor got %d messages, goodbye %v", len(messages), goodbye)
	}
}
