package supervisor_test

import (
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor"
	"bulkhead/supervisor/report"
)

// wantReasonIn checks that the verdict is partial for a reason with all the words.
func wantReasonIn(t *testing.T, rep *report.Report, words ...string) {
	t.Helper()
	for _, reason := range rep.Verdict.Reasons {
		all := true
		for _, word := range words {
			all = all && strings.Contains(reason, word)
		}
		if all {
			return
		}
	}
	t.Errorf("the verdict %q has no reason with %q", rep.Verdict.Reasons, words)
}

// wantClosedAgain checks that a client that is back at its closed session is told so, and that all
// is well.
func wantClosedAgain(t *testing.T, c *rawclient.Client, hello *bulkheadv1.Hello, last uint64) {
	t.Helper()
	w, err := c.Greet(hello)
	must(t, err)
	if !w.GetClosed() || w.GetResumeAfter() != last {
		t.Errorf("Welcome = %v; want one to a session closed after %d", w, last)
	}
	if err := c.End(); !errors.Is(err, io.EOF) {
		t.Errorf("the stream ended with %v; want io.EOF", err)
	}
}

// A client that did not hear how its Goodbye was answered comes back: it gets its answer,
// whether it repeats the Goodbye, waits, or says how far it came. What comes behind the
// Goodbye is refused, told and no fault of a handler.
func TestBehindAGoodbye(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *supervisor.Config) { c.Clients.Count = 2 })
	other := s.greet(rawclient.Hello("other"), 0)
	hello := rawclient.Hello("alpha")
	c := s.greet(hello, 0)
	s.deliver(c, 1, 3)
	s.closeInOrder(c, 3)

	s.closeInOrder(s.greet(hello, 3), 3)                                                       // repeats it
	wantClosedAgain(t, s.dial(), hello, 3)                                                     // waits
	hello.SentSeq = proto.Uint64(3)                                                            // says so
	wantClosedAgain(t, s.dial(), hello, 3)                                                     //
	hello.SentSeq = nil                                                                        //
	c = s.greet(hello, 3)                                                                      // has more
	must(t, c.SendBatch(4, 5))                                                                 //
	must(t, c.Goodbye(5))                                                                      //
	wantStatus(t, c.End(), codes.FailedPrecondition, "this session is closed after message 3") //
	hello.SentSeq = proto.Uint64(5)
	c = s.greet(hello, 3)
	wantReason(t, c.End(), bulkheadv1.Reason_REASON_SESSION_CLOSED)

	s.deliver(other, 1, 1)
	s.closeInOrder(other, 1)
	rep := s.wait()
	wantClient(t, rep, "alpha", "closed", "said goodbye")
	wantReasonIn(t, rep, "alpha", "messages after Goodbye 2 times")
	for _, h := range rep.Handlers {
		if h.Exit == nil || h.Exit.Class != report.ExitClean {
			t.Errorf("handler %+v did not end in order", h)
		}
	}
}

// Of two processes with one client id the second is refused, however they are told apart,
// the first continues, and the report names the other.
func TestTwoProcessesWithOneID(t *testing.T) {
	t.Parallel()
	for name, second := range map[string]func(*bulkheadv1.Hello, *rawclient.Client) (told string){
		"another instance": func(h *bulkheadv1.Hello, c *rawclient.Client) string {
			h.Instance = []byte("second")
			return "another process with this client id is connected"
		},
		"a clone that missed a connection": func(h *bulkheadv1.Hello, _ *rawclient.Client) string {
			h.LastConnection = 1
			return "it knows 1 connection"
		},
		"one that has sent less": func(h *bulkheadv1.Hello, _ *rawclient.Client) string {
			h.SentSeq = proto.Uint64(2)
			return "the last message that it has sent is 2"
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, nil)
			hello := rawclient.Hello("alpha")
			hello.Instance = []byte("first")
			c := s.greet(hello, 0)
			s.deliver(c, 1, 5)
			hello.LastConnection, hello.SentSeq = 1, proto.Uint64(5)
			c = s.greet(hello, 5) // a connection that the clone does not know of
			s.deliver(c, 6, 6)
			clone := proto.CloneOf(hello)
			clone.Host, clone.Pid, clone.LastConnection, clone.SentSeq = "clone.lab", 4242, 2, nil
			told := second(clone, c)
			_, err := s.dial().Greet(clone)
			wantStatus(t, err, codes.AlreadyExists, told)
			wantReason(t, err, bulkheadv1.Reason_REASON_CLIENT_ID_IN_USE)
			s.deliver(c, 7, 7)
			s.closeInOrder(c, 7)
			rep := s.wait()
			if got := wantClient(t, rep, "alpha", "closed", "said goodbye"); got.Messages != 7 {
				t.Errorf("%d messages; want 7", got.Messages)
			}
			wantReasonIn(t, rep, "alpha", "two processes with one client id", "clone.lab", "4242")
		})
	}
}

// A client that says nothing of itself but its id is told from another by what it sends
// again, or by where it ends.
func TestAnOldClientWithAnothersID(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		say  func(*rawclient.Client) error
		told string
	}{
		"other content": {func(c *rawclient.Client) error {
			b := rawclient.Batch(1, 2)
			b.Messages[1].GetProgress().Bytes = 7
			return c.Send(&bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Batch{Batch: b}})
		}, "was sent again with other content"},
		"an earlier end": {func(c *rawclient.Client) error { return c.Goodbye(2) },
			"its Goodbye says that it has sent 2 messages"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, nil)
			hello := rawclient.Hello("alpha")
			first := s.greet(hello, 0)
			s.deliver(first, 1, 5)
			second := s.greet(hello, 5)
			must(t, tt.say(second))
			err := second.End()
			wantStatus(t, err, codes.AlreadyExists, tt.told)
			wantReason(t, err, bulkheadv1.Reason_REASON_CLIENT_ID_IN_USE)
			first = s.greet(hello, 5)
			s.deliver(first, 6, 6)
			s.closeInOrder(first, 6)
			rep := s.wait()
			wantClient(t, rep, "alpha", "closed", "said goodbye")
			if rep.Complete() {
				t.Errorf("verdict %+v; want partial", rep.Verdict)
			}
		})
	}
}

// A client that names a run gets a session of that run or none, and what it is told says
// what it may do.
func TestALateReturnOpensNoSessionInAnotherRun(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *supervisor.Config) {
		c.KeepRunning, c.Clients.Count, c.Session.Grace = true, 2, 100*time.Millisecond
	})
	closed, lost := rawclient.Hello("closed"), rawclient.Hello("lost")
	c, l := s.greet(closed, 0), s.greet(lost, 0)
	s.deliver(c, 1, 3)
	s.deliver(l, 1, 4)
	must(t, l.Close())
	s.log.await(t, "session ended", "client", "lost", "outcome", "lost")
	s.closeInOrder(c, 3)
	first := <-s.reports

	closed.RunId, lost.RunId = first.Run.ID, first.Run.ID
	var err error
	for range 100 { // the next run begins at once, but not in no time
		d := s.dial()
		if _, err = d.Greet(lost); err != nil && strings.Contains(err.Error(), "is over") {
			break
		}
		must(t, d.Close())
	}
	wantReason(t, err, bulkheadv1.Reason_REASON_RUN_OVER)
	wantStatus(t, err, codes.FailedPrecondition, "and this session with it: lost after message 4")
	wantClosedAgain(t, s.dial(), closed, 3)
	nobody := rawclient.Hello("nobody")
	nobody.RunId = first.Run.ID
	_, err = s.dial().Greet(nobody)
	wantReason(t, err, bulkheadv1.Reason_REASON_RUN_OVER)
	unknown := rawclient.Hello("unknown")
	for _, id := range []string{"20200101T000000Z-000000", "../../etc", "latest"} {
		unknown.RunId = id
		_, err = s.dial().Greet(unknown)
		wantReason(t, err, bulkheadv1.Reason_REASON_RUN_UNKNOWN)
	}
	unknown.RunId, unknown.Continues = "", &bulkheadv1.Continuation{RunId: "20200101T000000Z-000000",
		ClientId: lost.ClientId, After: 17}
	s.closeInOrder(s.greet(unknown, 0), 0)
	s.serveWhole("beta")
	second := <-s.reports
	if len(second.Clients) != 2 {
		t.Errorf("the next run has %d sessions; want those of its own two clients", len(second.Clients))
	}
	wantReasonIn(t, second, "unknown", "up to 17", "20200101T000000Z-000000")
	if n := len(second.Verdict.Reasons); n != 1 {
		t.Errorf("reasons %q; want none for clients of another run", second.Verdict.Reasons)
	}
	s.interrupts <- syscall.SIGTERM
	must(t, s.ended())
}

// A client whose Hello is refused for its form is named as far as can be told, and makes
// the run partial.
func TestAMalformedHelloIsNamed(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		say  func(*rawclient.Client) error
		want []string
	}{
		"an id of zeros": {greeting(func(h *bulkheadv1.Hello) { h.ClientId = make([]byte, 16) }),
			[]string{"client mallory was rejected", "must be random"}},
		"a version": {greeting(func(h *bulkheadv1.Hello) { h.ProtocolVersion = 9 }),
			[]string{"client mallory was rejected", "version 9"}},
		"no name": {greeting(func(h *bulkheadv1.Hello) { h.Name = "" }),
			[]string{"client without a name at localhost", "name has 0 bytes"}},
		"no Hello": {func(c *rawclient.Client) error { return c.SendBatch(1, 1) },
			[]string{"client without a name at 127.0.0.1", "not a Hello"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, nil)
			alpha := s.greet(rawclient.Hello("alpha"), 0)
			c := s.dial()
			if err := tt.say(c); err == nil {
				_ = c.End() // which is looked at elsewhere
			}
			s.log.await(t, "connection rejected")
			s.closeInOrder(alpha, 0)
			wantReasonIn(t, s.wait(), tt.want...)
		})
	}
}

// greeting sends a Hello that was changed, and takes the refusal.
func greeting(change func(*bulkheadv1.Hello)) func(*rawclient.Client) error {
	return func(c *rawclient.Client) error {
		h := rawclient.Hello("mallory")
		change(h)
		if _, err := c.Greet(h); err == nil {
			return errors.New("it was welcomed")
		} else {
			return err
		}
	}
}

// Facts with numbers that cannot be are durable, and missing in the figures: that is said, and
// the run is not complete, however orderly the rest was.
func TestWhatCannotBeIsMissed(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*bulkheadv1.Message){
		"more bytes than there are": func(m *bulkheadv1.Message) { m.GetProgress().Bytes = math.MaxUint64 },
		"a negative interval":       func(m *bulkheadv1.Message) { m.GetProgress().IntervalNano = -1 },
		"before 1970":               func(m *bulkheadv1.Message) { m.TimeUnixNano = -1 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, nil)
			c := s.greet(rawclient.Hello("alpha"), 0)
			b := rawclient.Batch(1, 3)
			spoil(b.Messages[1])
			must(t, c.Send(&bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Batch{Batch: b}}))
			must(t, c.AwaitAck(3))
			s.closeInOrder(c, 3)
			rep := s.wait()
			if got := wantClient(t, rep, "alpha", "closed", "said goodbye"); got.LastSeq != 3 || got.Messages != 2 {
				t.Errorf("%d of %d messages; want 2 of 3", got.Messages, got.LastSeq)
			}
			wantReasonIn(t, rep, "alpha", "1 message left out")
			if !slices.ContainsFunc(rep.Findings, func(f report.Finding) bool {
				return f.Kind == report.FindingLeftOut && strings.HasPrefix(f.Evidence, "message 2")
			}) {
				t.Errorf("no finding names message 2: %+v", rep.Findings)
			}
		})
	}
}
