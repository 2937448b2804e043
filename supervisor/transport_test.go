package supervisor_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"bulkhead/internal/collect"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor"
)

// raw connects a client that sends frames of HTTP/2, and lets it in.
func (s *running) raw(h *bulkheadv1.Hello) *collect.Raw {
	s.t.Helper()
	r, err := collect.DialRaw(s.addr, patience)
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
		break_ func(r *collect.Raw) error
		class  string
		why    string
		cause  string
	}{
		"broken HTTP/2": {func(r *collect.Raw) error { return r.WriteRawFrame(http2.FramePing, 0, 0, []byte("half")) },
			"transport", "client_transport", "client broke HTTP/2: it sent PING of 4 bytes on stream 0"},
		"a flood": {func(r *collect.Raw) error {
			for range 200_000 {
				if r.WritePing(false, [8]byte{}) != nil {
					break
				}
			}
			return nil
		}, "transport", "client_transport", "client sent a flood of HTTP/2 frames that carry nothing"},
		"a bad flag of gRPC": {func(r *collect.Raw) error { return r.WriteData(1, false, collect.Frame(1, []byte("x"))) },
			"transport", "client_transport", "client's stream broke gRPC's framing"},
		"half a frame": {func(r *collect.Raw) error { return r.WriteData(1, true, []byte{0, 0}) },
			"stream_ended", "client_ended_stream", "client ended its stream in the middle of a frame"},
		"half-closed": {func(r *collect.Raw) error { return r.WriteData(1, true, nil) },
			"stream_ended", "client_ended_stream", "client ended its stream without a Goodbye"},
		"cancelled": {func(r *collect.Raw) error { return r.WriteRSTStream(1, http2.ErrCodeCancel) },
			"stream_ended", "client_ended_stream", "client cancelled its stream (RST_STREAM CANCEL)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, nil)
			hello := collect.Hello("alpha")
			r := s.raw(hello)
			must(t, r.Send(1, &bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Batch{Batch: collect.Batch(1, 5)}}))
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
			if first := got.Connections[0]; first.DetachClass != tt.class || first.AwayWhy != tt.why || !strings.Contains(first.DetachCause, tt.cause) {
				t.Errorf("the first connection ended %q, %q: %q; want %q, %q: %q", first.DetachClass, first.AwayWhy, first.DetachCause, tt.class, tt.why, tt.cause)
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
	r := s.raw(collect.Hello("alpha"))
	must(t, errors.Join(r.WriteRSTStream(1, http2.ErrCodeCancel), r.Close()))
	s.log.await(t, "session ended", "client", "alpha", "outcome", "lost")
	rep := s.wait()
	if text := strings.Join(rep.Verdict.Reasons, "\n"); !strings.Contains(text, "client cancelled its stream (RST_STREAM CANCEL)") || strings.Contains(text, "died") {
		t.Errorf("the reasons are %q; want that the client cancelled its stream", text)
	}
}

// What a client sends ahead of its Welcome counts as sent behind it, in every run the
// same.
func TestAClientThatDoesNotWaitForItsWelcome(t *testing.T) {
	t.Parallel()
	const clients = 8
	s := start(t, func(c *supervisor.Config) { c.Clients = clients })
	for i := range clients {
		r, err := collect.DialRaw(s.addr, patience)
		must(t, err)
		defer r.Close()
		must(t, r.Collect(1))
		for _, f := range []*bulkheadv1.ClientFrame{
			{Frame: &bulkheadv1.ClientFrame_Hello{Hello: collect.Hello("client " + string(rune('a'+i)))}},
			{Frame: &bulkheadv1.ClientFrame_Batch{Batch: collect.Batch(1, 3)}},
			{Frame: &bulkheadv1.ClientFrame_Batch{Batch: collect.Batch(4, 4)}},
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
	hello := collect.Hello("alpha")
	hello.ProtocolMinor = 99
	newer := func(m proto.Message, field protowire.Number) {
		m.ProtoReflect().SetUnknown(protowire.AppendString(protowire.AppendTag(nil, field, protowire.BytesType), "of tomorrow"))
	}
	newer(hello, 500)
	r := s.raw(hello)
	b := collect.Batch(1, 4)
	b.Messages[0].Fact = nil
	newer(b.Messages[0], 99)
	newer(b.Messages[1].GetProgress(), 400)
	newer(b, 9)
	b.Messages[2].Process.Kind = 17
	b.Messages[3].Fact = &bulkheadv1.Message_Rollover{Rollover: &bulkheadv1.Rollover{Path: "/mnt/a", SizeBytes: 1, Chunks: 1, Verification: 17}}
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
	must(t, r.Send(1, &bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Goodbye{Goodbye: &bulkheadv1.Goodbye{LastSeq: 4}}}))
	if err := r.End(1); err.Error() != "closed in order" {
		t.Errorf("the stream ended with %v", err)
	}
	s.log.await(t, "frames of a newer client were passed over")
	rep := s.wait()
	got := wantClient(t, rep, "alpha", "closed", "said goodbye")
	if got.LastSeq != 4 || got.UnknownFacts != 2 || got.Messages != 2 || got.Malformed != 0 || !rep.Complete() {
		t.Errorf("%d of %d messages, %d not known, %d malformed, verdict %+v; want 2 of 4, 2, none, complete", got.Messages, got.LastSeq, got.UnknownFacts, got.Malformed, rep.Verdict)
	}
	if text := strings.Join(rep.Verdict.Warnings, "\n"); !strings.Contains(text, "2 facts of a newer client that this version does not know") {
		t.Errorf("the warnings are %q; want that 2 facts are not known", text)
	}
}
