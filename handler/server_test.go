package handler

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"bulkhead/internal/downlink"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// emptySettings is an HTTP/2 SETTINGS frame without settings (RFC 9113, 6.5).
var emptySettings = []byte{0, 0, 0, 4, 0, 0, 0, 0, 0}

func TestASessionInOrder(t *testing.T) {
	s := serve(t, nil)
	c := s.dial()
	s.greet(c, 0)
	must(t, c.SendBatch(1, 3))
	b := s.next().GetBatch()
	if b.GetFirstSeq() != 1 || b.GetLastSeq() != 3 {
		t.Fatalf("batch = %d to %d; want 1 to 3", b.GetFirstSeq(), b.GetLastSeq())
	}
	wantSealed(t, b)
	s.ack(3)
	must(t, c.AwaitAck(3))
	must(t, c.SendBatch(4, 4))
	if b := s.next().GetBatch(); b.GetFirstSeq() != 4 || b.GetLastSeq() != 4 {
		t.Fatalf("batch = %d to %d; want 4 to 4", b.GetFirstSeq(), b.GetLastSeq())
	}
	s.ack(4)
	must(t, c.AwaitAck(4))
	s.down.Put(&bulkheadv1.SupervisorFrame{
		Frame: &bulkheadv1.SupervisorFrame_Drain{Drain: &bulkheadv1.Drain{Reason: "enough", WithinNano: 7}}})
	f, err := c.Recv()
	must(t, err)
	if d := f.GetDrain(); d.GetReason() != "enough" || d.GetWithinNano() < 1 || d.GetWithinNano() > 7 {
		t.Errorf("got %v; want the Drain", f)
	}
	must(t, c.Goodbye(4))
	if g := s.next().GetGoodbye(); g.GetLastSeq() != 4 {
		t.Fatalf("Goodbye = %v; want one after 4", g)
	}
	s.finish(&bulkheadv1.Finish{})
	if err := c.End(); !errors.Is(err, io.EOF) {
		t.Errorf("the client's stream ended with %v; want io.EOF", err)
	}
	e := s.end()
	if e.GetClass() != finished || e.GetText() != "closed in order" || e.GetMessages() != 4 ||
		e.GetReceivedBytes() == 0 {
		t.Errorf("End = %v; want closed in order after 4 messages", e)
	}
}

func TestFinishReachesTheClientWithItsReason(t *testing.T) {
	s := serve(t, nil)
	c := s.dial()
	s.finish(&bulkheadv1.Finish{Code: uint32(codes.Unauthenticated), Text: "wrong token"})
	_, err := c.Greet(rawclient.Hello("alpha"))
	if st := status.Convert(err); st.Code() != codes.Unauthenticated || st.Message() != "wrong token" {
		t.Errorf("the client got %v; want Unauthenticated, wrong token", err)
	}
	if e := s.end(); e.GetClass() != finished || e.GetText() != "wrong token" {
		t.Errorf("End = %v; want finished, wrong token", e)
	}
}

// What a client sends again after a resume is cut off where it was durable.
func TestResumePassesOnOnlyWhatIsNew(t *testing.T) {
	s := serve(t, nil)
	c := s.dial()
	s.greet(c, 5)
	must(t, c.SendBatch(1, 4))
	must(t, c.SendBatch(4, 7))
	b := s.next().GetBatch()
	if b.GetFirstSeq() != 6 || b.GetLastSeq() != 7 {
		t.Fatalf("batch = %d to %d; want 6 to 7", b.GetFirstSeq(), b.GetLastSeq())
	}
	wantSealed(t, b)
	must(t, c.Goodbye(7))
	if g := s.next().GetGoodbye(); g.GetLastSeq() != 7 {
		t.Fatalf("Goodbye = %v; want one after 7", g)
	}
	s.finish(&bulkheadv1.Finish{})
	if e := s.end(); e.GetMessages() != 2 {
		t.Errorf("End = %v; want 2 messages", e)
	}
}

// A client is welcomed once, also when a second supervisor takes over and says
// Welcome again.
func TestASecondWelcomeIsKeptFromTheClient(t *testing.T) {
	s := serve(t, nil)
	c := s.dial()
	s.greet(c, 0)
	must(t, c.SendBatch(1, 3))
	s.next()
	s.welcome(0)
	s.ack(3)
	f, err := c.Recv()
	must(t, err)
	if f.GetAck().GetSeq() != 3 {
		t.Fatalf("got %v; want the Ack", f)
	}
	must(t, c.SendBatch(4, 4)) // the sequence continues
	if b := s.next().GetBatch(); b.GetFirstSeq() != 4 {
		t.Errorf("batch = %v; want 4", b)
	}
}

// A client with as many batches under way as allowed waits; it is not refused.
func TestAClientWaitsForAcks(t *testing.T) {
	s := serve(t, nil)
	c := s.dial()
	s.greet(c, 0)
	const all = 32
	go func() { // ends when all is sent, which the test waits for
		for seq := uint64(1); seq <= all; seq++ {
			if c.SendBatch(seq, seq) != nil {
				return
			}
		}
	}()
	for seq := uint64(0); seq < all; {
		b := s.next().GetBatch()
		if b.GetFirstSeq() != seq+1 {
			t.Fatalf("batch = %v; want message %d", b, seq+1)
		}
		seq = b.GetLastSeq()
		if kept := s.kept(); kept > int(smallLimits().GetMaxUnackedBatches()) {
			t.Fatalf("%d batches are kept; want %d at most", kept, smallLimits().GetMaxUnackedBatches())
		}
		s.ack(seq)
	}
	must(t, c.AwaitAck(all))
}

// kept returns how many batches wait to be acknowledged.
func (s *served) kept() int {
	s.relay.mu.Lock()
	defer s.relay.mu.Unlock()
	return len(s.relay.unacked)
}

// TestViolations pins, for each breach of the breach, what the client and the
// supervisor are told.
func TestViolations(t *testing.T) {
	hello := func(change func(*bulkheadv1.Hello)) *bulkheadv1.ClientFrame {
		h := rawclient.Hello("alpha")
		if change != nil {
			change(h)
		}
		return &bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Hello{Hello: h}}
	}
	batch := func(seqs ...uint64) *bulkheadv1.ClientFrame {
		return &bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Batch{Batch: messages(seqs...)}}
	}
	goodbye := func(last uint64) *bulkheadv1.ClientFrame {
		return &bulkheadv1.ClientFrame{
			Frame: &bulkheadv1.ClientFrame_Goodbye{Goodbye: &bulkheadv1.Goodbye{LastSeq: last}}}
	}
	large := batch(1)
	large.GetBatch().Messages[0].GetProgress().LastError = strings.Repeat("x", 17<<10)
	huge := batch(1)
	huge.GetBatch().Messages[0].GetProgress().LastError = strings.Repeat("x", 10<<20)
	type frames = []any
	for _, tt := range []struct {
		name    string
		greeted bool // the client was let in before
		frames  frames
		class   bulkheadv1.EndClass
		code    codes.Code
		text    string
		// clientText is what the client is told when it is gRPC that answers.
		clientText string
	}{
		{"a Batch first", false, frames{batch(1)}, breach, codes.InvalidArgument,
			"the first frame is a Batch, not a Hello", ""},
		{"an empty frame first", false, frames{&bulkheadv1.ClientFrame{}}, breach, codes.InvalidArgument,
			"a frame is empty", ""},
		{"another version", false, frames{hello(func(h *bulkheadv1.Hello) { h.ProtocolVersion = 9 })}, version,
			codes.FailedPrecondition, "protocol version 9", ""},
		{"a short client id", false, frames{hello(func(h *bulkheadv1.Hello) { h.ClientId = []byte("short") })}, breach,
			codes.InvalidArgument, "client_id has 5 bytes", ""},
		{"a second Hello", true, frames{hello(nil)}, breach, codes.InvalidArgument,
			"a second Hello came on one connection", ""},
		{"an empty frame", true, frames{&bulkheadv1.ClientFrame{}}, breach, codes.InvalidArgument, "a frame is empty",
			""},
		{"an empty Batch", true, frames{batch()}, breach, codes.InvalidArgument, "Batch is empty", ""},
		{"a gap", true, frames{batch(1), batch(3)}, breach, codes.InvalidArgument,
			"sequence gap: message 3 came where 2 was expected", ""},
		{"too many messages", true, frames{batch(1, 2, 3, 4, 5, 6, 7, 8, 9)}, limit, codes.ResourceExhausted,
			"Batch has 9 messages; at most 8 are allowed", ""},
		{"a frame too large", true, frames{large}, limit, codes.ResourceExhausted,
			"a frame has 17486 bytes; at most 16384 are allowed (max_frame_bytes)", ""},
		{"a Hello too large", false,
			frames{hello(func(h *bulkheadv1.Hello) { h.LastEnd = strings.Repeat("x", 17<<10) })}, limit,
			codes.ResourceExhausted, "at most 16384 are allowed (max_frame_bytes)", ""},
		{"a frame larger than any", true, frames{huge}, limit, codes.ResourceExhausted,
			"a frame is too large: received message larger than max", "received message larger than max"},
		{"a frame that does not decode", true, frames{wrapperspb.Bytes([]byte{0xff})}, breach, codes.InvalidArgument,
			"a frame cannot be decoded", ""},
		{"a Goodbye after too little", true, frames{batch(1), goodbye(2)}, breach, codes.InvalidArgument,
			"Goodbye says that 2 was the last message; 1 was received last", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, nil)
			c := s.dial()
			if tt.greeted {
				s.greet(c, 0)
			}
			for _, f := range tt.frames {
				if err := c.SendMsg(f); err != nil && !errors.Is(err, io.EOF) {
					t.Fatal(err)
				}
			}
			told := tt.text
			if tt.clientText != "" {
				told = tt.clientText
			}
			if st := status.Convert(c.End()); st.Code() != tt.code || !strings.Contains(st.Message(), told) {
				t.Errorf("the client got %v %q; want %v with %q", st.Code(), st.Message(), tt.code, told)
			}
			e := s.end()
			if e.GetClass() != tt.class || !strings.Contains(e.GetText(), tt.text) {
				t.Errorf("End = %v; want %v with %q", e, tt.class, tt.text)
			}
		})
	}
}

// TestAClientThatGoes ends the client at each step of a session.
func TestAClientThatGoes(t *testing.T) {
	greet := func(s *served, c *rawclient.Client) { s.greet(c, 0) }
	send := func(s *served, c *rawclient.Client) {
		greet(s, c)
		must(s.t, c.SendBatch(1, 3))
		s.next()
	}
	for _, tt := range []struct {
		name     string
		upTo     func(*served, *rawclient.Client)
		messages uint64
	}{
		{"after its Hello", func(s *served, c *rawclient.Client) {
			must(s.t,
				c.Send(&bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Hello{Hello: rawclient.Hello("alpha")}}))
			s.next()
		}, 0},
		{"after the Welcome", greet, 0},
		{"after a Batch", send, 3},
		{"after an Ack", func(s *served, c *rawclient.Client) {
			send(s, c)
			s.ack(3)
			must(s.t, c.AwaitAck(3))
		}, 3},
		{"after its Goodbye", func(s *served, c *rawclient.Client) {
			send(s, c)
			must(s.t, c.Goodbye(3))
			if f := s.next(); f.GetGoodbye() == nil {
				s.t.Fatalf("got %v; want a Goodbye", f)
			}
		}, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, nil)
			c := s.dial()
			tt.upTo(s, c)
			must(t, c.Close())
			if e := s.end(); e.GetClass() != streamOff && e.GetClass() != gone || e.GetText() == "" ||
				e.GetMessages() != tt.messages {
				t.Errorf("End = %v; want a stream that the client cancelled, or a connection that it closed, after "+
					"%d messages", e, tt.messages)
			}
		})
	}
	t.Run("half, without a Goodbye", func(t *testing.T) {
		s := serve(t, nil)
		c := s.dial()
		s.greet(c, 0)
		must(t, c.CloseSend())
		if st := status.Convert(c.End()); st.Code() != codes.Unavailable {
			t.Errorf("the client got %v; want Unavailable", st)
		}
		if e := s.end(); e.GetClass() != streamOff ||
			!strings.HasPrefix(e.GetText(), "client ended its stream without a Goodbye; the session is kept") {
			t.Errorf("End = %v; want a stream that the client ended", e)
		}
	})
	for name, sent := range map[string][]byte{
		"before its first byte":    nil,
		"within the preface":       preface[:10],
		"after the preface":        preface,
		"after its first settings": slices.Concat(preface, emptySettings),
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, nil)
			must(t, s.raw(sent).Close())
			if e := s.end(); e.GetClass() != gone || !closedOrReset(e.GetText()) ||
				e.GetReceivedBytes() != uint64(len(sent)) {
				t.Errorf("End = %v; want a closed connection after %d bytes", e, len(sent))
			}
		})
	}
}

// closedOrReset accepts both: a socket that is closed with something unread in it
// resets its connection.
func closedOrReset(text string) bool {
	return strings.HasPrefix(text, "client closed the connection") || text == "client reset the connection"
}

func TestBytesThatAreNotHTTP2(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	s.raw(slices.Concat(preface, []byte("this is no frame of HTTP/2, however long one looks at it")))
	if e := s.end(); e.GetClass() != framing || e.GetText() != "client sent bytes that are not HTTP/2" {
		t.Errorf("End = %v; want bytes that are not HTTP/2", e)
	}
}

// TestNoHelloInTime stops at each step before the Hello.
func TestNoHelloInTime(t *testing.T) {
	t.Parallel()
	soon := func(o *bulkheadv1.Open) { o.HelloTimeoutNano = int64(100 * time.Millisecond) }
	for name, sent := range map[string][]byte{
		"silent from the start":       nil,
		"after a part of the preface": preface[:10],
		"after the preface":           preface,
		"within a frame":              slices.Concat(preface, emptySettings[:4]),
		"after the first settings":    slices.Concat(preface, emptySettings),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, soon)
			s.raw(sent)
			if e := s.end(); e.GetClass() != late {
				t.Errorf("End = %v; want too slow", e)
			}
		})
	}
	t.Run("with a stream", func(t *testing.T) {
		t.Parallel()
		s := serve(t, func(o *bulkheadv1.Open) { o.HelloTimeoutNano = int64(3 * time.Second) })
		c := s.dial()
		if st := status.Convert(c.End()); st.Code() != codes.DeadlineExceeded ||
			st.Message() != "client said no Hello in time" {
			t.Errorf("the client got %v; want DeadlineExceeded and why", st)
		}
		if e := s.end(); e.GetClass() != late || e.GetText() != "client said no Hello in time" {
			t.Errorf("End = %v; want too slow", e)
		}
	})
}

// A client that said Hello in time may take as long as it likes afterwards.
func TestTheHelloTimeoutEndsWithTheHello(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCollector(smallLimits(), newRelay(1), downlink.New(), newWork(nil))
		c.began.Store(true)
		c.greeted.Store(true)
		ended := make(chan *violation, 1)
		go func() {
			ended <- awaitEnd(t.Context(), c, newClientConn(nil), time.Now().Add(time.Second))
		}()
		time.Sleep(time.Minute) // of the bubble's clock
		select {
		case v := <-ended:
			t.Errorf("the connection ended with %+v", v)
		case v := <-c.refuse:
			t.Errorf("the stream was refused with %+v", v)
		default:
		}
		want := broken(frameUnexpected, "enough")
		c.ended <- want
		if v := <-ended; v != want {
			t.Errorf("ended with %+v; want what the stream said", v)
		}
	})
}

func TestAClientThatFallsSilentIsGivenUp(t *testing.T) {
	t.Parallel()
	s := serve(t, func(o *bulkheadv1.Open) { o.ClientTimeoutNano = int64(time.Second) })
	option, freeze := freezing()
	c := s.dial(option)
	s.greet(c, 0)
	freeze()
	if e := s.end(); e.GetClass() != mute ||
		!strings.HasPrefix(e.GetText(), "client sent nothing and answered no ping for ") ||
		e.GetSilentNano() < int64(time.Second) {
		t.Errorf("End = %v; want a client that is silent", e)
	}
}
