package isolation_test

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/encoding/gzip" // for a client that compresses
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
)

const (
	token = "open sesame"
	// hugeFrame is far more than any of our processes may keep of one client.
	hugeFrame = 48 << 20
	// memorySlack is how much more private memory a supervisor may have after bad
	// clients than before: less than one huge frame.
	memorySlack = 32 << 20
)

// breach is a client that speaks gRPC and breaks a rule.
type breach struct {
	name string
	dial []grpc.DialOption
	// hello changes the client's Hello.
	hello func(*bulkheadv1.Hello)
	// act speaks to the end of what the client has to say.
	act func(c *rawclient.Client, hello *bulkheadv1.Hello) error

	// code and text are what the client must be told; of frames that are too large
	// or do not decode, gRPC tells it.
	code codes.Code
	text string
	// reason is what the report must say if it is not text.
	reason string
	// session says that it got as far as a session.
	session bool
}

// first sends frames as the first and only ones.
func first(frames ...*bulkheadv1.ClientFrame) func(*rawclient.Client, *bulkheadv1.Hello) error {
	return func(c *rawclient.Client, _ *bulkheadv1.Hello) error { return sendAll(c, frames) }
}

// helloOnly sends Hello and nothing else.
func helloOnly(c *rawclient.Client, hello *bulkheadv1.Hello) error {
	return sendAll(c, []*bulkheadv1.ClientFrame{helloFrame(hello)})
}

// welcomed sends frames after the Welcome.
func welcomed(frames ...*bulkheadv1.ClientFrame) func(*rawclient.Client, *bulkheadv1.Hello) error {
	return func(c *rawclient.Client, hello *bulkheadv1.Hello) error {
		if _, err := c.Greet(hello); err != nil {
			return err
		}
		return sendAll(c, frames)
	}
}

// sendAll sends frames until the other side has had enough; End says why.
func sendAll(c *rawclient.Client, frames []*bulkheadv1.ClientFrame) error {
	for _, f := range frames {
		if c.Send(f) != nil {
			return nil
		}
	}
	return nil
}

func helloFrame(h *bulkheadv1.Hello) *bulkheadv1.ClientFrame {
	return &bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Hello{Hello: h}}
}

func goodbyeFrame(last uint64) *bulkheadv1.ClientFrame {
	return &bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Goodbye{Goodbye: &bulkheadv1.Goodbye{LastSeq: last}}}
}

// messages returns a batch of messages with these sequence numbers.
func messages(seqs ...uint64) *bulkheadv1.Batch {
	b := &bulkheadv1.Batch{}
	for _, seq := range seqs {
		b.Messages = append(b.Messages, rawclient.Message(seq))
	}
	return b
}

// changed returns a batch of the one message 1, changed.
func changed(change func(*bulkheadv1.Message)) *bulkheadv1.ClientFrame {
	b := messages(1)
	change(b.GetMessages()[0])
	return batchFrame(b)
}

// longPath makes a frame of n bytes or a little more.
func longPath(n int) *bulkheadv1.ClientFrame {
	return changed(func(m *bulkheadv1.Message) {
		m.Fact = &bulkheadv1.Message_Rollover{Rollover: &bulkheadv1.Rollover{Path: strings.Repeat("x", n)}}
	})
}

// junk is a codec that sends something else than what it is given.
type junk struct{}

func (junk) Marshal(any) ([]byte, error) { return []byte("\xff\xff\xff\xff no protobuf"), nil }
func (junk) Unmarshal(data []byte, v any) error {
	return proto.Unmarshal(data, v.(proto.Message))
}
func (junk) Name() string { return "proto" }

// helloBreaches returns the ways to get no session.
func helloBreaches() []breach {
	return []breach{
		{name: "wrong version", hello: func(h *bulkheadv1.Hello) { h.ProtocolVersion = 99 }, act: helloOnly,
			code: codes.FailedPrecondition,
			text: "client speaks protocol version 99; this supervisor speaks version 1"},
		{name: "no version", hello: func(h *bulkheadv1.Hello) { h.ProtocolVersion = 0 }, act: helloOnly,
			code: codes.FailedPrecondition, text: "client speaks protocol version 0"},
		{name: "short client id", hello: func(h *bulkheadv1.Hello) { h.ClientId = h.ClientId[:15] }, act: helloOnly,
			code: codes.InvalidArgument, text: "client_id has 15 bytes; it must have 16"},
		{name: "long client id", hello: func(h *bulkheadv1.Hello) { h.ClientId = append(h.ClientId, 0) },
			act:  helloOnly,
			code: codes.InvalidArgument, text: "client_id has 17 bytes; it must have 16"},
		{name: "control characters in the name", hello: func(h *bulkheadv1.Hello) { h.Name = "\x1b[2Jowned\n" },
			act:  helloOnly,
			code: codes.InvalidArgument, text: `Hello.name "\x1b[2Jowned\n" has characters that cannot be printed`},
		{name: "no name", hello: func(h *bulkheadv1.Hello) { h.Name = "" }, act: helloOnly,
			code: codes.InvalidArgument, text: "Hello.name has 0 bytes; it must have 1 to 128"},
		{name: "wrong token", hello: func(h *bulkheadv1.Hello) { h.Token = "open barley" }, act: helloOnly,
			code: codes.Unauthenticated, text: "wrong token"},
		{name: "no token", hello: func(h *bulkheadv1.Hello) { h.Token = "" }, act: helloOnly,
			code: codes.Unauthenticated, text: "a token is required"},
		{name: "Batch first", act: first(batchFrame(messages(1))),
			code: codes.InvalidArgument, text: "the first frame is a Batch, not a Hello"},
		{name: "Goodbye first", act: first(goodbyeFrame(0)),
			code: codes.InvalidArgument, text: "the first frame is a Goodbye, not a Hello"},
		{name: "empty frame first", act: first(&bulkheadv1.ClientFrame{}),
			code: codes.InvalidArgument, text: "a frame is empty"},
		{name: "oversized frame first", act: first(longPath(hugeFrame)),
			code: codes.ResourceExhausted, text: "received message larger than max",
			reason: "a frame is too large: received message larger than max"},
		{name: "no protobuf", dial: []grpc.DialOption{grpc.WithDefaultCallOptions(grpc.ForceCodec(junk{}))},
			act:  helloOnly,
			code: codes.InvalidArgument, text: "a frame cannot be decoded: "},
		{name: "compressed to a thousandth",
			dial: []grpc.DialOption{grpc.WithDefaultCallOptions(grpc.UseCompressor("gzip"))},
			act:  first(longPath(hugeFrame)),
			code: codes.ResourceExhausted, text: "message after decompression larger than max",
			reason: "a frame is too large: received message after decompression larger than max"},
	}
}

// sessionBreaches returns the ways to lose a session.
func sessionBreaches() []breach {
	list := []breach{
		{name: "second Hello", code: codes.InvalidArgument, text: "a second Hello came on one connection",
			act: func(c *rawclient.Client, h *bulkheadv1.Hello) error { return welcomed(helloFrame(h))(c, h) }},
		{name: "empty batch", act: welcomed(batchFrame(messages())),
			code: codes.InvalidArgument, text: "Batch is empty; it must have at least one message"},
		{name: "empty frame", act: welcomed(&bulkheadv1.ClientFrame{}),
			code: codes.InvalidArgument, text: "a frame is empty"},
		{name: "gap before a batch", act: welcomed(batchFrame(messages(2))),
			code: codes.InvalidArgument, text: "sequence gap: message 2 came where 1 was expected"},
		{name: "gap in a batch", act: welcomed(batchFrame(messages(1, 2)), batchFrame(messages(3, 5))),
			code: codes.InvalidArgument, text: "sequence gap: message 5 came where 4 was expected"},
		{name: "step back in a batch", act: welcomed(batchFrame(messages(1, 2, 1))),
			code: codes.InvalidArgument, text: "sequence gap: message 1 came where 3 was expected"},
		{name: "sequence number 0", act: welcomed(batchFrame(messages(0))),
			code: codes.InvalidArgument, text: "message has sequence number 0; numbers begin at 1"},
		{name: "message without a fact", act: welcomed(changed(func(m *bulkheadv1.Message) { m.Fact = nil })),
			code: codes.InvalidArgument, text: "message 1 has no fact"},
		{name: "message about nobody", act: welcomed(changed(func(m *bulkheadv1.Message) { m.Process = nil })),
			code: codes.InvalidArgument, text: "message 1 does not say which process it is about"},
		{name: "Goodbye too early", act: welcomed(batchFrame(messages(1)), goodbyeFrame(0)),
			code: codes.InvalidArgument, text: "Goodbye says that 0 was the last message; 1 was received last"},
		{name: "Goodbye too late", act: welcomed(batchFrame(messages(1)), goodbyeFrame(2)),
			code: codes.InvalidArgument, text: "Goodbye says that 2 was the last message; 1 was received last"},
	}
	for i := range list {
		list[i].session = true
	}
	return list
}

// Each client that breaks a rule is told which, and so is the reader of the report;
// another client does not notice, and the supervisor keeps nothing of it in memory.
func TestBreachesAreRejectedWithTheirReasons(t *testing.T) {
	t.Parallel()
	all := append(helloBreaches(), sessionBreaches()...)
	s := start(t, "--token", token, "--session-max-batch", "64")
	hello := rawclient.Hello("bystander")
	hello.Token = token
	by := bystander(t, s, hello)
	s.settled(1, 4)
	before := privateMemory(t, s.Pid())

	peers := make(map[string]string)
	for _, b := range all {
		t.Run(b.name, func(t *testing.T) { peers[b.name] = b.commit(t, s, by) })
	}
	s.settled(1, 4)
	bounded(t, s, before)
	sent := by.finish(t)

	rep := s.finish(exitPartial)
	journalled(t, s, map[*load]uint64{by: sent})
	unharmed(t, rep, by, sent)
	for _, b := range all {
		b.reported(t, rep, peers[b.name])
	}
	for _, h := range rep.Handlers {
		if h.Exit == nil || h.Exit.Class != report.ExitClean {
			t.Errorf("handler %d of %s ended like this: %+v; want clean", h.Pid, h.Peer, h.Exit)
		}
	}
}

// commit breaks the rule while another client continues, and returns from where.
func (b *breach) commit(t *testing.T, s *running, by *load) (peer string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := rawclient.Dial(ctx, s.Addr, b.dial...)
	expect.NoError(t, err)
	defer c.Close()
	hello := rawclient.Hello(b.name)
	hello.Token = token
	if b.hello != nil {
		b.hello(hello)
	}
	expect.NoError(t, b.act(c, hello))
	by.goesOn(t)
	err = c.End()
	if status.Code(err) != b.code || !strings.Contains(status.Convert(err).Message(), b.text) {
		t.Errorf("the client was told %v; want %s: %s", err, b.code, b.text)
	}
	by.goesOn(t)
	return c.Addr()
}

// reported checks what the report says of the breach.
func (b *breach) reported(t *testing.T, rep *report.Report, peer string) {
	t.Helper()
	reason := b.reason
	if reason == "" {
		reason = b.text
	}
	if !b.session {
		rejection(t, rep, b.name, peer, reason)
		return
	}
	c := expect.Client(t, rep, b.name)
	if c.Outcome != report.OutcomeRejected || !strings.Contains(c.Cause, reason) || len(c.Connections) != 1 ||
		c.Connections[0].Peer != peer {
		t.Errorf("%s: %s (%s) over %+v; want rejected (%s) over one connection from %s", b.name, c.Outcome, c.Cause,
			c.Connections, reason, peer)
	}
}

// rejection checks that the report has one rejection of that peer, with a reason.
func rejection(t *testing.T, rep *report.Report, what, peer, reason string) {
	t.Helper()
	var found []string
	for _, r := range rep.Rejections {
		if r.Peer == peer {
			found = append(found, r.Reason)
		}
	}
	if len(found) != 1 || !strings.Contains(found[0], reason) {
		t.Errorf("%s: the report has the rejections %q of %s; want one with %q", what, found, peer, reason)
	}
}

// unharmed checks that a client was served over one connection to its end.
func unharmed(t *testing.T, rep *report.Report, l *load, sent uint64) {
	t.Helper()
	c := expect.Client(t, rep, l.hello.GetName())
	if l.resumed() != 0 || c.Resumes != 0 || len(c.Connections) != 1 || c.Outcome != report.OutcomeClosed ||
		c.Messages != sent {
		t.Errorf("%s was touched: it connected again %d times, and the report has %s (%s) at %d over %+v; want "+
			"closed at %d over one connection",
			c.Name, l.resumed(), c.Outcome, c.Cause, c.Messages, c.Connections, sent)
	}
}

// freeze stops a process until the function it returns is called, or to the end of
// the test.
func freeze(t *testing.T, pid int) (thaw func()) {
	t.Helper()
	expect.NoError(t, syscall.Kill(pid, syscall.SIGSTOP))
	thaw = func() { syscall.Kill(pid, syscall.SIGCONT) } // nothing to do if it is gone
	t.Cleanup(thaw)
	expect.Eventually(t, func() error {
		state, err := harness.State(pid)
		if err == nil && state != "T" {
			err = fmt.Errorf("process %d is in state %s; want T", pid, state)
		}
		return err
	})
	return thaw
}

// bounded checks that the supervisor has little more private memory than before. The
// race detector's own memory grows with every byte it sees, so there it is no measure.
func bounded(t *testing.T, s *running, before uint64) {
	t.Helper()
	// the race detector keeps much more
	if after := privateMemory(t, s.Pid()); !raceEnabled && after > before+memorySlack {
		t.Errorf("the supervisor has %d bytes of private memory and had %d before; want at most %d more", after, before,
			memorySlack)
	}
}

func privateMemory(t *testing.T, pid int) uint64 {
	t.Helper()
	n, err := harness.PrivateMemory(pid)
	expect.NoError(t, err)
	return n
}
