package supervisor_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"bulkhead/internal/reason"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor"
)

// raw connects a client that sends frames of HTTP/2, and lets it in.
func (s *running) raw(h *bulkheadv1.Hello) *rawclient.Raw {
	s.t.Helper()
	r, err := rawclient.DialRaw(s.addr, patience)
	must(s.t, err)
	s.t.Cleanup(func() { r.Close() })
	_, err = r.Greet(1, h)
	must(s.t, err)
	return r
}

// Whatever a client's transport does, it is its connection that ends, at most: the client
// comes again and loses nothing, and the report says what happened.
func TestASessionOutlivesItsTransport(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		break_ func(r *rawclient.Raw) error
		class  string
		why    string
		cause  string
	}{
		"broken HTTP/2": {func(r *rawclient.Raw) error {
			return r.WriteRawFrame(http2.FramePing, 0, 0,
				[]byte("half"))
		},
			"transport", "client_transport", "client broke HTTP/2: it sent PING of 4 bytes on stream 0"},
		"a flood": {func(r *rawclient.Raw) error {
			for range 200_000 {
				if r.WritePing(false, [8]byte{}) != nil {
					break
				}
			}
			return nil
		}, "transport", "client_transport", "client sent a flood of HTTP/2 frames that carry nothing"},
		"a bad flag of gRPC": {func(r *rawclient.Raw) error {
			return r.WriteData(1, false,
				rawclient.Frame(1, []byte("x")))
		},
			"transport", "client_transport", "client's stream broke gRPC's framing"},
		"half a frame": {func(r *rawclient.Raw) error { return r.WriteData(1, true, []byte{0, 0}) },
			"stream_ended", "client_ended_stream", "client ended its stream in the middle of a frame"},
		"half-closed": {func(r *rawclient.Raw) error { return r.WriteData(1, true, nil) },
			"stream_ended", "client_ended_stream", "client ended its stream without a Goodbye"},
		"cancelled": {func(r *rawclient.Raw) error { return r.WriteRSTStream(1, http2.ErrCodeCancel) },
			"stream_ended", "client_ended_stream", "client cancelled its stream (RST_STREAM CANCEL)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, nil)
			hello := rawclient.Hello("alpha")
			r := s.raw(hello)
			must(t,
				r.Send(1, &bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Batch{Batch: rawclient.Batch(1, 5)}}))
			for {
				f, err := r.Recv(1)
				if must(t, err); f.GetAck().GetSeq() == 5 {
					break
				}
			}
			go func() { _ = r.End(1) }() // reads, so that the flood is not held up
			must(t, tt.break_(r))
			s.log.await(t, "client is away", "client", "alpha")
			c := s.greet(hello, 5)
			s.deliver(c, 6, 7)
			s.closeInOrder(c, 7)
			rep := s.wait()
			got := wantClient(t, rep, "alpha", "closed", "said goodbye")
			if got.Messages != 7 || len(got.Connections) != 2 {
				t.Fatalf("%d messages over %d connections; want 7 over 2", got.Messages, len(got.Connections))
			}
			if first := got.Connections[0]; first.DetachClass != tt.class || first.AwayWhy != tt.why ||
				!strings.Contains(first.DetachCause, tt.cause) {
				t.Errorf("the first connection ended %q, %q: %q; want %q, %q: %q", first.DetachClass, first.AwayWhy,
					first.DetachCause, tt.class, tt.why, tt.cause)
			}
			if !rep.Complete() || len(rep.Rejections) != 0 {
				t.Errorf("verdict %+v, rejections %+v; want complete, and none", rep.Verdict, rep.Rejections)
			}
		})
	}
}

// A client that ended its stream itself and never came back did not die: the report says
// what it did.
func TestALostClientThatEndedItsStream(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *supervisor.Config) { c.Session.Grace = 50 * time.Millisecond })
	r := s.raw(rawclient.Hello("alpha"))
	must(t, errors.Join(r.WriteRSTStream(1, http2.ErrCodeCancel), r.Close()))
	s.log.await(t, "session ended", "client", "alpha", "outcome", "lost")
	rep := s.wait()
	if text := strings.Join(rep.Verdict.Reasons, "\n"); !strings.Contains(text,
		"client cancelled its stream (RST_STREAM CANCEL)") || strings.Contains(text, "died") {
		t.Errorf("the reasons are %q; want that the client cancelled its stream", text)
	}
}

// What a client sends ahead of its Welcome counts as sent behind it, in every run the
// same.
func TestAClientThatDoesNotWaitForItsWelcome(t *testing.T) {
	t.Parallel()
	const clients = 8
	s := start(t, func(c *supervisor.Config) { c.Clients.Count = clients })
	for i := range clients {
		r, err := rawclient.DialRaw(s.addr, patience)
		must(t, err)
		defer r.Close()
		must(t, r.Collect(1))
		for _, f := range []*bulkheadv1.ClientFrame{
			{Frame: &bulkheadv1.ClientFrame_Hello{Hello: rawclient.Hello("client " + string(rune('a'+i)))}},
			{Frame: &bulkheadv1.ClientFrame_Batch{Batch: rawclient.Batch(1, 3)}},
			{Frame: &bulkheadv1.ClientFrame_Batch{Batch: rawclient.Batch(4, 4)}},
			{Frame: &bulkheadv1.ClientFrame_Goodbye{Goodbye: &bulkheadv1.Goodbye{LastSeq: 4}}},
		} {
			must(t, r.Send(1, f))
		}
		f, err := r.Recv(1)
		if must(t, err); f.GetWelcome().GetProtocolVersion() != 1 || f.GetWelcome().GetProtocolMinor() == 0 {
			t.Fatalf("got %v; want a Welcome that says which protocol is spoken", f)
		}
	}
	// A Goodbye counts when everything before it is durable; the handler does not wait.
	rep := s.wait()
	if !rep.Complete() || len(rep.Clients) != clients {
		t.Errorf("verdict %+v of %d clients; want complete of %d", rep.Verdict, len(rep.Clients), clients)
	}
	for _, c := range rep.Clients {
		if c.Messages != 4 {
			t.Errorf("%s: %d messages; want 4", c.Name, c.Messages)
		}
	}
}

// What a newer client says that this version does not know is durable, acknowledged and
// counted, and makes nothing partial.
func TestANewerClientIsServed(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	hello := rawclient.Hello("alpha")
	hello.ProtocolMinor = 99
	newer := func(m proto.Message, field protowire.Number) {
		m.ProtoReflect().SetUnknown(protowire.AppendString(protowire.AppendTag(nil, field, protowire.BytesType),
			"of tomorrow"))
	}
	newer(hello, 500)
	r := s.raw(hello)
	b := rawclient.Batch(1, 4)
	b.Messages[0].Fact = nil
	newer(b.Messages[0], 99)
	newer(b.Messages[1].GetProgress(), 400)
	newer(b, 9)
	b.Messages[2].Process.Kind = 17
	b.Messages[3].Fact = &bulkheadv1.Message_Rollover{
		Rollover: &bulkheadv1.Rollover{Path: "/mnt/a", SizeBytes: 1, Chunks: 1, Verification: 17}}
	must(t, r.Send(1, &bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Batch{Batch: b}}))
	frame := &bulkheadv1.ClientFrame{}
	newer(frame, 77)
	must(t, r.Send(1, frame))
	for {
		f, err := r.Recv(1)
		if must(t, err); f.GetAck().GetSeq() == 4 {
			break
		}
	}
	must(t,
		r.Send(1,
			&bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Goodbye{Goodbye: &bulkheadv1.Goodbye{LastSeq: 4}}}))
	if err := r.End(1); err.Error() != "closed in order" {
		t.Errorf("the stream ended with %v", err)
	}
	s.log.await(t, "frames of a newer client were passed over")
	rep := s.wait()
	got := wantClient(t, rep, "alpha", "closed", "said goodbye")
	if got.LastSeq != 4 || got.UnknownFacts != 2 || got.Messages != 2 || got.Malformed != 0 || !rep.Complete() {
		t.Errorf("%d of %d messages, %d not known, %d malformed, verdict %+v; want 2 of 4, 2, none, complete",
			got.Messages, got.LastSeq, got.UnknownFacts, got.Malformed, rep.Verdict)
	}
	if text := strings.Join(rep.Verdict.Warnings, "\n"); !strings.Contains(text,
		"2 facts of a newer client that this version does not know") {
		t.Errorf("the warnings are %q; want that 2 facts are not known", text)
	}
}

// Whoever sends too much at once is told which limit it was and what it is, and may continue with
// less: nothing is lost, and nothing is partial.
func TestASessionOutlivesTooMuchAtOnce(t *testing.T) {
	t.Parallel()
	of := func(n int) *bulkheadv1.Batch {
		b := rawclient.Batch(6, 6)
		b.Messages[0].GetProgress().LastError = strings.Repeat("x", n)
		return b
	}
	large, huge := of(70<<10), of(20<<20)
	for name, tt := range map[string]struct {
		batch       *bulkheadv1.Batch
		text        string
		limit, most string // "" where gRPC itself answers
	}{
		"bytes":    {large, "at most 65536 are allowed (max_frame_bytes)", "max_frame_bytes", "65536"},
		"messages": {rawclient.Batch(6, 15), "at most 8 are allowed (max_batch_messages)", "max_batch_messages", "8"},
		"far more": {huge, "received message larger than max", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, func(c *supervisor.Config) {
				c.Session.MaxFrame, c.Session.MaxBatch, c.Session.Grace = 64<<10, 8, 17*time.Second
			})
			hello := rawclient.Hello("alpha")
			c := s.greet(hello, 0)
			s.deliver(c, 1, 5)
			must(t, c.Send(&bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Batch{Batch: tt.batch}}))
			err := c.End()
			wantStatus(t, err, codes.ResourceExhausted, tt.text)
			var about map[string]string
			if tt.limit != "" {
				about = wantReason(t, err, bulkheadv1.Reason_REASON_LIMIT_EXCEEDED)
			}
			if got, _ := strconv.Atoi(about[reason.Got]); tt.limit != "" &&
				(about[reason.Limit] != tt.limit || about[reason.Most] != tt.most || got == 0) {
				t.Errorf("the reason comes with %v; want %s, %s and what came", about, tt.limit, tt.most)
			}
			s.log.await(t, "client is away", "client", "alpha")
			c = s.dial()
			w, err := c.Greet(hello)
			must(t, err)
			if w.GetResumeAfter() != 5 || w.GetLimits().GetMaxFrameBytes() != 64<<10 ||
				w.GetLimits().GetGraceNano() != int64(17*time.Second) || w.GetLimits().GetSilenceNano() == 0 {
				t.Fatalf("Welcome = %v; want one that continues after 5 and says the limits", w)
			}
			s.deliver(c, 6, 9)
			s.closeInOrder(c, 9)
			rep := s.wait()
			got := wantClient(t, rep, "alpha", "closed", "said goodbye")
			if got.Messages != 9 || !rep.Complete() || len(rep.Rejections) != 0 {
				t.Errorf("%d messages, verdict %+v, rejections %+v; want 9, complete, none", got.Messages, rep.Verdict,
					rep.Rejections)
			}
			if first := got.Connections[0]; first.DetachClass != "limit" || first.AwayWhy != "client_exceeded_limit" {
				t.Errorf("the first connection ended %q, %q", first.DetachClass, first.AwayWhy)
			}
		})
	}
}

// Who sends too much again and again, and nothing else, is rejected; what is made durable in
// between counts as going on.
func TestTooMuchAgainAndAgain(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *supervisor.Config) { c.Session.MaxBatch, c.Clients.Count = 8, 2 })
	hello := rawclient.Hello("alpha")
	// tooMuch sends too much, as often as it is let in, until it is rejected. A connection of
	// which the next takes the place before the supervisor knows its end does not count.
	tooMuch := func(durable uint64, most int) (times int, end error) {
		for ; times < most; times++ {
			c := s.dial()
			if _, end = c.Greet(hello); end != nil {
				break
			}
			if end = c.SendBatch(durable+1, durable+9); end == nil {
				end = c.End()
			}
			if why, _ := reason.Of(status.Convert(end)); why == bulkheadv1.Reason_REASON_SESSION_REJECTED {
				break // by what was known late of the connection before
			}
			wantReason(t, end, bulkheadv1.Reason_REASON_LIMIT_EXCEEDED)
		}
		return times, end
	}
	_, err := tooMuch(0, 2)
	wantReason(t, err, bulkheadv1.Reason_REASON_LIMIT_EXCEEDED)
	c := s.greet(hello, 0)
	s.deliver(c, 1, 2)
	must(t, c.Close())
	times, err := tooMuch(2, 100)
	wantReason(t, err, bulkheadv1.Reason_REASON_SESSION_REJECTED)
	if times < 3 {
		t.Errorf("it is rejected after %d times; want 3, after it went on", times)
	}
	s.serveWhole("beta")
	wantClient(t, s.wait(), "alpha", "rejected", "3 times in a row: Batch has 9 messages")
}

// A text that is too long costs no session: it is cut, and the report says which.
func TestALongTextEndsNoSession(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	hello := rawclient.Hello("alpha")
	c := s.greet(hello, 0)
	s.deliver(c, 1, 1)
	must(t, c.Close())
	s.log.await(t, "client is away", "client", "alpha")
	hello.LastEnd, hello.Host = strings.Repeat("e", 2000), strings.Repeat("h", 300)
	c = s.greet(hello, 1)
	b := rawclient.Batch(2, 3)
	long := "/" + strings.Repeat("p", 5000)
	b.Messages[0].Fact = &bulkheadv1.Message_Rollover{
		Rollover: &bulkheadv1.Rollover{Path: long, SizeBytes: 1, Chunks: 1, ChunkSizeBytes: 1}}
	b.Messages[1].GetProgress().LastError = strings.Repeat("e", 9000)
	again := proto.CloneOf(b)
	must(t, c.Send(&bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Batch{Batch: b}}))
	must(t, c.AwaitAck(3))
	must(t, c.Close())
	s.log.await(t, "client is away", "client", "alpha")
	c = s.greet(hello, 3)
	// durable already, and the same
	must(t, c.Send(&bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Batch{Batch: again}}))
	s.deliver(c, 4, 4)
	s.closeInOrder(c, 4)
	rep := s.wait()
	got := wantClient(t, rep, "alpha", "closed", "said goodbye")
	if got.Messages != 4 || !rep.Complete() {
		t.Errorf("%d messages, verdict %+v; want 4, complete", got.Messages, rep.Verdict)
	}
	if text := strings.Join(rep.Verdict.Warnings, "\n"); !strings.Contains(text,
		"were cut: progress.last_error 1, rollover.path 1") {
		t.Errorf("the warnings are %q; want that two texts were cut", text)
	}
}
