package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"bulkhead/handler"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// connection is one connection of a client with its Collect stream. The script's goroutine
// drives it.
type connection struct {
	t      *trial
	socket *net.TCPConn
	stream bulkheadv1.CollectorService_CollectServer
	frames chan received // from receive
	finish chan error    // what Collect returns

	hello   *bulkheadv1.Hello
	limits  *bulkheadv1.Limits
	next    uint64   // the message that is due
	unacked []uint64 // last message of each batch that was not acknowledged
	open    bool     // a Welcome was sent
	goodbye bool
	acks    int // sent
}

// received is a frame, or how the stream ended.
type received struct {
	frame *bulkheadv1.ClientFrame
	err   error
}

func newConnection(t *trial, socket *net.TCPConn, stream bulkheadv1.CollectorService_CollectServer) *connection {
	return &connection{t: t, socket: socket, stream: stream, frames: make(chan received), finish: make(chan error, 1)}
}

// receive passes frames on until the stream ends; done is closed when nobody wants them.
func (c *connection) receive(done <-chan struct{}) {
	for {
		f, err := c.stream.Recv()
		select {
		case c.frames <- received{f, err}:
		case <-done:
			return
		}
		if err != nil {
			return
		}
	}
}

// greet takes the Hello. The connection has none if it is of a client that is not meant.
func (c *connection) greet(overdue <-chan time.Time) {
	f, came := c.take(overdue)
	if !came {
		c.t.fail("it opened a stream and did not say Hello within %s", c.t.cfg.Patience)
		return
	}
	if f.err != nil {
		c.t.fail("its stream ended before its Hello: %s", plainly(f.err))
		return
	}
	h := f.frame.GetHello()
	switch {
	case h == nil:
		c.t.fail("its first frame is not a Hello")
		return
	case !c.t.know(h):
		c.end(status.New(codes.FailedPrecondition, "this client belongs to an earlier scenario"))
		return
	}
	if err := handler.CheckHello(h); err != nil {
		c.t.fail("%s", plainly(err))
	}
	c.t.result.seen.hello(h)
	c.hello = h
}

// take returns the next frame or the end of the stream; false if neither came in time.
func (c *connection) take(overdue <-chan time.Time) (received, bool) {
	select {
	case f := <-c.frames:
		return f, true
	case <-overdue:
	case <-c.t.ctx.Done():
		c.t.leave("interrupted")
	}
	return received{}, false
}

// welcome accepts the client, when it has waited for that.
func (c *connection) welcome(limits *bulkheadv1.Limits, unknown []byte) {
	if c.t.decided {
		return
	}
	wait := time.NewTimer(quiet)
	defer wait.Stop()
	if f, came := c.take(wait.C); came {
		switch {
		case f.err != nil:
			c.t.fail("it ended its stream before the Welcome: %s", plainly(f.err))
		default:
			c.t.fail("it sent a %s before the Welcome", frameName(f.frame))
		}
		return
	}
	c.limits, c.next, c.open = limits, c.t.durable+1, true
	w := &bulkheadv1.Welcome{
		RunId: runID, SessionId: "s1", ResumeAfter: c.t.durable, Limits: limits,
		WallClockUnixNano: time.Now().UnixNano(),
	}
	w.ProtoReflect().SetUnknown(unknown)
	c.send(&bulkheadv1.ServerFrame{Frame: &bulkheadv1.ServerFrame_Welcome{Welcome: w}})
}

// send sends a frame. That the client is gone shows when something is received.
func (c *connection) send(f *bulkheadv1.ServerFrame) {
	if c.t.decided {
		return
	}
	_ = c.stream.Send(f)
}

// batch returns the next Batch, checked; nil for a Goodbye, which is checked too, or when the
// trial is decided.
func (c *connection) batch() *bulkheadv1.Batch {
	if c.t.decided {
		return nil
	}
	overdue := time.NewTimer(c.t.cfg.Patience)
	defer overdue.Stop()
	f, came := c.take(overdue.C)
	if !came {
		c.t.fail("%s", c.waits())
		return nil
	}
	return c.check(f)
}

// waits returns what a client that has stopped sending seems to wait for.
func (c *connection) waits() string {
	what := fmt.Sprintf("it sent neither a Batch nor a Goodbye for %s", c.t.cfg.Patience)
	switch {
	case c.acks > 0 && len(c.unacked) == 0:
		return what + fmt.Sprintf(" although message %d and all before it are acknowledged; read the stream all the "+
			"time, for Acks make room for Batches, and say Goodbye when the last message is acknowledged", c.t.durable)
	case c.next == c.t.durable+1:
		return what + " after the Welcome; without anything to report say Goodbye"
	default:
		return what
	}
}

// still returns whether the client sends nothing for a while.
func (c *connection) still() bool {
	if c.t.decided {
		return true
	}
	wait := time.NewTimer(quiet)
	defer wait.Stop()
	f, came := c.take(wait.C)
	if came {
		c.check(f)
	}
	return !came
}

// check holds a frame, or the end of the stream, to the rules.
func (c *connection) check(f received) *bulkheadv1.Batch {
	switch {
	case errors.Is(f.err, io.EOF):
		c.t.fail("it ended its stream without a Goodbye")
	case f.err != nil:
		c.t.fail("its stream ended without a Goodbye: %s", plainly(f.err))
	case f.frame.GetBatch() != nil:
		return c.checkBatch(f.frame.GetBatch())
	case f.frame.GetGoodbye() != nil:
		c.checkGoodbye(f.frame.GetGoodbye())
	default:
		c.t.fail("it sent a %s where a Batch or a Goodbye was due", frameName(f.frame))
	}
	return nil
}

func (c *connection) checkBatch(b *bulkheadv1.Batch) *bulkheadv1.Batch {
	messages := b.GetMessages() // CheckBatch may cut it
	if len(messages) > 0 && messages[0].GetSeq() < c.next {
		c.t.fail("it sent message %d again, which is durable; Welcome.resume_after was %d", messages[0].GetSeq(),
			c.next-1)
		return nil
	}
	if err := handler.CheckBatch(b, c.limits, c.next); err != nil {
		c.t.fail("%s", plainly(err))
		return nil
	}
	if room := int(c.limits.GetMaxUnackedBatches()); len(c.unacked) >= room {
		c.t.fail("%d batches were on their way without an Ack; Limits.max_unacked_batches is %d", len(c.unacked)+1,
			room)
		return nil
	}
	c.next = messages[len(messages)-1].GetSeq() + 1
	c.t.sent = max(c.t.sent, c.next-1)
	c.unacked = append(c.unacked, c.next-1)
	c.t.result.seen.messages(messages)
	return b
}

func (c *connection) checkGoodbye(g *bulkheadv1.Goodbye) {
	switch {
	case len(c.unacked) > 0:
		c.t.fail("it said Goodbye before everything was acknowledged: %d of %d were", c.t.durable, c.t.sent)
	case g.GetLastSeq() != c.next-1:
		c.t.fail("its Goodbye says that message %d was the last; it is %d", g.GetLastSeq(), c.next-1)
	default:
		c.goodbye = true
		c.t.result.seen.goodbyes++
	}
}

// ack acknowledges the oldest batches, n of them, in one Ack.
func (c *connection) ack(n int) {
	if c.t.decided || n == 0 {
		return
	}
	c.acks++
	c.t.durable = c.unacked[n-1]
	c.unacked = c.unacked[n:]
	c.send(&bulkheadv1.ServerFrame{Frame: &bulkheadv1.ServerFrame_Ack{Ack: &bulkheadv1.Ack{Seq: c.t.durable}}})
}

// drainOut acknowledges whatever comes until the Goodbye.
func (c *connection) drainOut() {
	for !c.t.decided && !c.goodbye {
		c.batch()
		c.ack(len(c.unacked))
	}
}

// close lets the session come to its end, in order.
func (c *connection) close() {
	c.drainOut()
	c.end(status.New(codes.OK, ""))
}

// end ends the stream with a status.
func (c *connection) end(s *status.Status) {
	if c.stream != nil {
		select {
		case c.finish <- s.Err():
		default: // it has ended
		}
	}
}

// cut breaks the connection off with a reset, as a crash of the other machine's program or a
// firewall does.
func (c *connection) cut() {
	if c.socket == nil || c.t.decided {
		return
	}
	c.socket.SetLinger(0)
	c.socket.Close()
}

// again returns a status that asks the client to come again after a time.
func again(text string, after time.Duration) *status.Status {
	s, err := status.New(codes.Unavailable, text).WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(after)})
	if err != nil {
		return status.New(codes.Unavailable, text) // the client then chooses when
	}
	return s
}

// plainly returns an error of gRPC as a person reads it.
func plainly(err error) string {
	if errors.Is(err, io.EOF) {
		return "half-closed"
	}
	if errors.Is(err, context.Canceled) || status.Code(err) == codes.Canceled {
		return "the connection is gone, or the call was cancelled"
	}
	return status.Convert(err).Message()
}

// frameName returns the name of a frame's kind.
func frameName(f *bulkheadv1.ClientFrame) string {
	switch f.GetFrame().(type) {
	case *bulkheadv1.ClientFrame_Hello:
		return "second Hello"
	case *bulkheadv1.ClientFrame_Batch:
		return "Batch"
	case *bulkheadv1.ClientFrame_Goodbye:
		return "Goodbye"
	default:
		return "frame without content"
	}
}
