package handler

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bulkhead/internal/downlink"
	"bulkhead/internal/failpoint"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// collector is the Collector service for one client.
type collector struct {
	bulkheadv1.UnimplementedCollectorServiceServer
	limits  *bulkheadv1.Limits
	relay   *relay
	down    *downlink.Queue
	work    *work
	expect  atomic.Uint64 // next sequence number, set by Welcome
	welcome chan struct{} // closed when Welcome is on its way to the client
	began   atomic.Bool   // a Collect stream was opened
	greeted atomic.Bool   // a good Hello came

	// ended receives how the one Collect stream ended, just before it returns.
	ended chan *violation
	// refuse receives a violation found outside the stream, such as a timeout.
	refuse chan *violation
}

func newCollector(limits *bulkheadv1.Limits, r *relay, down *downlink.Queue, w *work) *collector {
	return &collector{
		limits: limits, relay: r, down: down, work: w, welcome: make(chan struct{}),
		ended: make(chan *violation, 1), refuse: make(chan *violation, 1),
	}
}

// Collect carries the client's one stream. This goroutine sends; a second one
// receives, and ends when the stream does, which is when Collect returns.
func (c *collector) Collect(stream bulkheadv1.CollectorService_CollectServer) error {
	if !c.began.CompareAndSwap(false, true) {
		return status.Error(codes.ResourceExhausted, "a connection carries one Collect stream")
	}
	received := make(chan *violation, 1)
	go func() {
		v := c.receive(stream)
		c.work.done()
		received <- v
	}()
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	frames := make(chan *bulkheadv1.SupervisorFrame)
	go func() { // ends with ctx
		for f := c.down.Next(ctx); f != nil; f = c.down.Next(ctx) {
			select {
			case frames <- f:
			case <-ctx.Done():
			}
		}
	}()
	v := c.send(stream, frames, received)
	c.ended <- v
	return v.status()
}

// send relays frames to the client until a Finish, a violation or the end of the
// client.
func (c *collector) send(stream bulkheadv1.CollectorService_CollectServer, frames <-chan *bulkheadv1.SupervisorFrame, received <-chan *violation) *violation {
	for {
		select {
		case f := <-frames:
			if fin := f.GetFinish(); fin != nil {
				return &violation{
					class: bulkheadv1.EndClass_END_CLASS_FINISHED, code: codes.Code(fin.GetCode()), text: fin.GetText(),
					reason: fin.GetReason(), about: fin.GetMetadata(),
					retryAfter: time.Duration(fin.GetRetryAfterNano()),
				}
			}
			if w := f.GetWelcome(); w != nil && !c.welcomed(w) {
				continue // a second supervisor's: the client has had its one
			}
			if f.GetAck() != nil {
				failpoint.Hit("handler-ack")
			}
			if err := stream.Send(serverFrame(f)); err != nil {
				return c.why(stream.Context(), received, lost("sending to the client: %v", err))
			}
		case v := <-received:
			if v == nil { // Goodbye: from here on only the supervisor speaks
				received = nil
				continue
			}
			return v
		case v := <-c.refuse:
			return v
		case <-stream.Context().Done():
			return c.why(stream.Context(), received, lost("the client's stream ended: %v", stream.Context().Err()))
		}
	}
}

// why says why the stream ended: what receive found, or otherwise if it found
// nothing. gRPC ends the stream itself on a frame that is too large or does not
// decode, before receive can say so.
func (c *collector) why(ctx context.Context, received <-chan *violation, otherwise *violation) *violation {
	if received == nil || ctx.Err() == nil {
		return otherwise
	}
	if v := <-received; v != nil { // receive ends with ctx
		return v
	}
	return otherwise
}

// welcomed notes where the client's messages go on, and says whether w is the
// first Welcome. Only the goroutine of Collect calls it.
func (c *collector) welcomed(w *bulkheadv1.Welcome) bool {
	select {
	case <-c.welcome:
		return false
	default:
	}
	c.expect.Store(w.GetResumeAfter() + 1)
	close(c.welcome)
	return true
}

// serverFrame is a supervisor's frame in the client's form.
func serverFrame(f *bulkheadv1.SupervisorFrame) *bulkheadv1.ServerFrame {
	switch f := f.GetFrame().(type) {
	case *bulkheadv1.SupervisorFrame_Welcome:
		return &bulkheadv1.ServerFrame{Frame: &bulkheadv1.ServerFrame_Welcome{Welcome: f.Welcome}}
	case *bulkheadv1.SupervisorFrame_Ack:
		return &bulkheadv1.ServerFrame{Frame: &bulkheadv1.ServerFrame_Ack{Ack: f.Ack}}
	case *bulkheadv1.SupervisorFrame_Drain:
		return &bulkheadv1.ServerFrame{Frame: &bulkheadv1.ServerFrame_Drain{Drain: f.Drain}}
	default:
		return &bulkheadv1.ServerFrame{}
	}
}

// receive reads the client's frames: Hello, Batches, Goodbye. It returns nil after
// Goodbye and a violation otherwise.
func (c *collector) receive(stream bulkheadv1.CollectorService_CollectServer) *violation {
	first, err := stream.Recv()
	if err != nil {
		return recvViolation(err)
	}
	hello := first.GetHello()
	if hello == nil {
		return broken(frameUnexpected, "the first frame is not a Hello")
	}
	if v := checkHello(hello); v != nil {
		return v
	}
	failpoint.Hit("handler-hello")
	c.greeted.Store(true)
	c.relay.setHello(hello)
	for {
		c.work.done()
		f, err := stream.Recv()
		if err != nil {
			return recvViolation(err)
		}
		switch f := f.GetFrame().(type) {
		case *bulkheadv1.ClientFrame_Batch:
			if v := c.batch(stream.Context(), f.Batch); v != nil {
				return v
			}
		case *bulkheadv1.ClientFrame_Goodbye:
			return c.goodbye(f.Goodbye)
		case *bulkheadv1.ClientFrame_Hello:
			return broken(frameUnexpected, "a second Hello came on one connection")
		default:
			return broken(bulkheadv1.Reason_REASON_FRAME_UNKNOWN, "a frame is empty")
		}
	}
}

// batch checks a batch and keeps it for the supervisor.
func (c *collector) batch(ctx context.Context, b *bulkheadv1.Batch) *violation {
	select {
	case <-c.welcome:
	default:
		return broken(frameUnexpected, "a Batch came before the Welcome was sent")
	}
	next := c.expect.Load()
	failpoint.Batch(b.GetMessages())
	failpoint.Hit("handler-batch")
	sealed, v := checkBatch(b, c.limits, next)
	if v != nil || sealed == nil {
		return v
	}
	c.work.done() // a batch that waits for room is no work
	if !c.relay.add(ctx, sealed) {
		return lost("the client's stream ended: %v", ctx.Err())
	}
	c.expect.Store(sealed.LastSeq + 1)
	return nil
}

func (c *collector) goodbye(g *bulkheadv1.Goodbye) *violation {
	select {
	case <-c.welcome:
	default:
		return broken(frameUnexpected, "a Goodbye came before the Welcome was sent")
	}
	if last := c.expect.Load() - 1; g.GetLastSeq() != last {
		return broken(sequenceBroken, "Goodbye says that %d was the last message; %d was received last", g.GetLastSeq(), last)
	}
	failpoint.Hit("handler-goodbye")
	c.relay.setGoodbye(g)
	return nil
}

// recvViolation sorts the errors of Recv.
func recvViolation(err error) *violation {
	if errors.Is(err, io.EOF) {
		return closedByClient("client ended its stream without a Goodbye")
	}
	s := status.Convert(err)
	switch s.Code() {
	case codes.ResourceExhausted:
		return tooMuch("a frame is too large: %s", strings.TrimPrefix(s.Message(), "grpc: "))
	case codes.Internal, codes.Unimplemented, codes.InvalidArgument:
		return broken(encodingInvalid, "a frame cannot be decoded: %s", strings.TrimPrefix(s.Message(), "grpc: "))
	default:
		return lost("the client's stream ended: %s", s.Message())
	}
}
