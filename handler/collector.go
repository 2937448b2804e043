package handler

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"

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
	conn    *clientConn
	began   atomic.Bool // a Collect stream was opened
	resumed uint64      // last durable message as Welcome said, written before welcome is closed
	tells   bool        // the supervisor is told what contradicts what is durable
	// refused is the Hello that was refused for its form; nil if none was.
	refused atomic.Pointer[bulkheadv1.Hello]
	greeted atomic.Bool // a good Hello came
	agent   bool        // it was an agent's; belongs to receive

	// echoes has the newest Echo that is not answered.
	echoes chan *bulkheadv1.Echo

	// ended receives how the one Collect stream ended, just before it returns.
	ended chan *violation
	// refuse receives a violation found outside the stream, such as a timeout.
	refuse chan *violation
	// flood receives why nothing more is read of the client.
	flood chan *violation
	// called is the last method that was called instead of Collect.
	called atomic.Pointer[string]
	// passedOver counts frames that this version does not know.
	passedOver atomic.Uint64
}

func newCollector(limits *bulkheadv1.Limits, r *relay, down *downlink.Queue, w *work) *collector {
	return &collector{
		limits: limits, relay: r, down: down, work: w, welcome: make(chan struct{}),
		echoes: make(chan *bulkheadv1.Echo, 1), ended: make(chan *violation, 1), refuse: make(chan *violation, 1),
		flood: make(chan *violation, 1),
	}
}

// Collect carries the client's one stream. This goroutine sends; a second one
// receives, and ends when the stream does, which is when Collect returns.
func (c *collector) Collect(stream bulkheadv1.CollectorService_CollectServer) error {
	if !c.began.CompareAndSwap(false, true) {
		// UNAVAILABLE: its library has not noticed yet that the connection is ending, or takes
		// one connection for two clients.
		return (&violation{code: codes.Unavailable, reason: connectionRefused,
			text: "a connection carries one Collect stream; connect anew for another, on a channel that shares no " +
				"connection"}).status()
	}
	received := make(chan *violation, 1)
	go func() {
		v := c.receive(stream)
		c.work.done()
		received <- v
	}()
	v := c.send(stream, received)
	if due, ok := stream.Context().Deadline(); ok && v.class == bulkheadv1.EndClass_END_CLASS_CONNECTION_LOST &&
		!time.Now().Before(due) {
		v = pastDeadline()
	}
	c.ended <- v
	return v.status()
}

// send relays frames to the client until a Finish, a violation or the end of the
// client.
func (c *collector) send(stream bulkheadv1.CollectorService_CollectServer, received <-chan *violation) *violation {
	for {
		select {
		case <-c.down.Ready():
			for f := c.down.Take(); f != nil; f = c.down.Take() {
				if over, err := c.pass(stream, f); err != nil {
					return c.why(stream.Context(), received, lost("sending to the client: %v", err))
				} else if over != nil {
					return over
				}
			}
		case e := <-c.echoes:
			if err := stream.Send(answeredEcho(e)); err != nil {
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

// pass passes one frame on to the client. over is how its stream ends, if the frame says so.
func (c *collector) pass(stream bulkheadv1.CollectorService_CollectServer, f *bulkheadv1.SupervisorFrame) (
	over *violation, err error) {
	if fin := f.GetFinish(); fin != nil {
		return &violation{
			class: bulkheadv1.EndClass_END_CLASS_FINISHED, code: codes.Code(fin.GetCode()), text: fin.GetText(),
			reason: fin.GetReason(), about: fin.GetMetadata(),
			retryAfter: time.Duration(fin.GetRetryAfterNano()), elsewhere: fin.GetElsewhere(),
		}, nil
	}
	if w := f.GetWelcome(); w != nil && !c.welcomed(w) {
		return nil, nil // a second supervisor's: the client has had its one
	}
	if f.GetAck() != nil {
		failpoint.Hit("handler-ack")
	}
	return nil, stream.Send(serverFrame(f))
}

// why returns why the stream ended: what receive found, or otherwise if it found
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

// welcomed notes where the client's messages continue, and reports whether w is the
// first Welcome. Only the goroutine of Collect calls it.
func (c *collector) welcomed(w *bulkheadv1.Welcome) bool {
	select {
	case <-c.welcome:
		return false
	default:
	}
	c.expect.Store(w.GetResumeAfter() + 1)
	c.resumed = w.GetResumeAfter()
	close(c.welcome)
	return true
}

// serverFrame returns a supervisor's frame in the client's form.
func serverFrame(f *bulkheadv1.SupervisorFrame) *bulkheadv1.ServerFrame {
	switch f := f.GetFrame().(type) {
	case *bulkheadv1.SupervisorFrame_Welcome:
		return &bulkheadv1.ServerFrame{Frame: &bulkheadv1.ServerFrame_Welcome{Welcome: f.Welcome}}
	case *bulkheadv1.SupervisorFrame_Ack:
		return &bulkheadv1.ServerFrame{Frame: &bulkheadv1.ServerFrame_Ack{Ack: f.Ack}}
	case *bulkheadv1.SupervisorFrame_Drain:
		return &bulkheadv1.ServerFrame{Frame: &bulkheadv1.ServerFrame_Drain{Drain: f.Drain}}
	case *bulkheadv1.SupervisorFrame_Begin:
		return &bulkheadv1.ServerFrame{Frame: &bulkheadv1.ServerFrame_Begin{Begin: f.Begin}}
	case *bulkheadv1.SupervisorFrame_StageBegin:
		return &bulkheadv1.ServerFrame{Frame: &bulkheadv1.ServerFrame_StageBegin{StageBegin: f.StageBegin}}
	case *bulkheadv1.SupervisorFrame_RateShare:
		return &bulkheadv1.ServerFrame{Frame: &bulkheadv1.ServerFrame_RateShare{RateShare: f.RateShare}}
	case *bulkheadv1.SupervisorFrame_Task:
		return &bulkheadv1.ServerFrame{Frame: &bulkheadv1.ServerFrame_Task{Task: f.Task}}
	case *bulkheadv1.SupervisorFrame_StopTask:
		return &bulkheadv1.ServerFrame{Frame: &bulkheadv1.ServerFrame_StopTask{StopTask: f.StopTask}}
	default:
		return &bulkheadv1.ServerFrame{}
	}
}

// receive reads the client's frames: Hello, Batches, Echoes, Goodbye. It returns nil after
// Goodbye, behind which nothing is read, and a violation otherwise. What comes before the
// Welcome is taken as if it came behind it, so that no race decides what becomes of it.
func (c *collector) receive(stream bulkheadv1.CollectorService_CollectServer) *violation {
	first, v := c.next(stream)
	if v != nil {
		return v
	}
	hello := first.GetHello()
	if hello == nil {
		return broken(frameUnexpected, "the first frame is %s, not a Hello", c.frameName(first))
	}
	shortenHello(hello)
	if v := checkHello(hello); v != nil {
		c.refused.Store(excerpt(hello))
		return v
	}
	failpoint.Hit("handler-hello")
	c.greeted.Store(true)
	c.agent = hello.GetAgent() != nil
	c.relay.setHello(hello)
	for {
		c.work.done()
		f, v := c.next(stream)
		if v != nil {
			return v
		}
		if v := c.awaitWelcome(stream.Context()); v != nil {
			return v
		}
		if v := c.outOfPlace(f); v != nil {
			return v
		}
		if b := c.work.intact; b.Data != nil {
			if v := c.keepIntact(stream.Context(), b); v != nil {
				return v
			}
			continue
		}
		switch f := f.GetFrame().(type) {
		case *bulkheadv1.ClientFrame_Batch:
			if v := c.batch(stream.Context(), f.Batch); v != nil {
				return v
			}
		case *bulkheadv1.ClientFrame_Goodbye:
			return c.goodbye(f.Goodbye)
		case *bulkheadv1.ClientFrame_Echo:
			c.echo(f.Echo)
		case *bulkheadv1.ClientFrame_AgentReport:
			if v := c.agentReport(f.AgentReport); v != nil {
				return v
			}
		default:
			return broken(frameUnexpected, "a second Hello came on one connection")
		}
	}
}

// next returns the client's next frame that this version knows. That of an intact Batch is
// empty: the Batch is work's.
func (c *collector) next(stream bulkheadv1.CollectorService_CollectServer) (*bulkheadv1.ClientFrame, *violation) {
	for {
		f, err := stream.Recv()
		if v := c.work.fault(); v != nil {
			return nil, v
		}
		if err != nil {
			return nil, recvViolation(err)
		}
		if f.GetFrame() != nil || c.work.intact.Data != nil {
			return f, nil
		}
		if len(f.ProtoReflect().GetUnknown()) == 0 {
			return nil, broken(bulkheadv1.Reason_REASON_FRAME_UNKNOWN, "a frame is empty")
		}
		c.passedOver.Add(1) // of a newer client
		c.work.done()
	}
}

// frameName returns what the frame that next gave holds, for people.
func (c *collector) frameName(f *bulkheadv1.ClientFrame) string {
	switch {
	case f.GetBatch() != nil || c.work.intact.Data != nil:
		return "a Batch"
	case f.GetGoodbye() != nil:
		return "a Goodbye"
	case f.GetEcho() != nil:
		return "an Echo"
	case f.GetAgentReport() != nil:
		return "an AgentReport"
	default:
		return "another"
	}
}

// awaitWelcome waits until the Welcome is on its way to the client. That is no work.
func (c *collector) awaitWelcome(ctx context.Context) *violation {
	select {
	case <-c.welcome:
		return nil
	default:
	}
	c.work.done()
	select {
	case <-c.welcome:
		return nil
	case <-ctx.Done():
		return lost("the client's stream ended: %v", ctx.Err())
	}
}

func (c *collector) goodbye(g *bulkheadv1.Goodbye) *violation {
	// One that ends before what is durable is another's, which the supervisor knows better.
	other := c.tells && g.GetLastSeq() < c.resumed
	if last := c.expect.Load() - 1; g.GetLastSeq() != last && !other {
		return broken(sequenceBroken, "Goodbye says that %d was the last message; %d was received last", g.GetLastSeq(),
			last)
	}
	failpoint.Hit("handler-goodbye")
	c.relay.setGoodbye(g)
	return nil
}

// unknown answers calls of methods that are not here: health checks, reflection, another
// version's.
func (c *collector) unknown(_ any, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	c.called.Store(&method)
	return noMethod(method).status()
}

// tap answers, of a stream that is just opened, what gRPC would answer by itself and without a
// reason.
func (c *collector) tap(ctx context.Context, stream *tap.Info) (context.Context, error) {
	if encoding := c.conn.unknownEncoding(); encoding != "" {
		return nil, (&violation{code: codes.Unimplemented, reason: bulkheadv1.Reason_REASON_COMPRESSION_UNKNOWN,
			text: fmt.Sprintf("the client compresses with %.32q, which is not known here; use gzip or none",
				encoding)}).status()
	}
	if method := stream.FullMethodName; strings.Count(method, "/") < 2 {
		c.called.Store(&method)
		return nil, noMethod(method).status()
	}
	return ctx, nil
}

// noMethod returns the answer to a call of a method that is not here.
func noMethod(method string) *violation {
	return &violation{code: codes.Unimplemented, reason: bulkheadv1.Reason_REASON_METHOD_UNKNOWN,
		text: fmt.Sprintf("there is no %.128s here; a Bulkhead collector has %s", method,
			bulkheadv1.CollectorService_Collect_FullMethodName)}
}

// insteadOf adds to v, the end of a client that never said Hello, what it did instead.
func (c *collector) insteadOf(v *violation) *violation {
	if c.began.Load() {
		return v
	}
	if method := c.called.Load(); method != nil {
		v.text += fmt.Sprintf("; it called %.128q, which is not here", *method)
	} else if request := c.conn.request(); request != "" {
		v.text += "; " + request
	}
	return v
}

// flooded ends the client's connection for v.
func (c *collector) flooded(v *violation) { c.flood <- v } // once, and there is room

// pastDeadline returns the end of a stream for which the client itself had set a deadline.
func pastDeadline() *violation {
	return streamEnded("the deadline that the client set for its stream (grpc-timeout) has passed; a Collect stream " +
		"lasts as long as the load, so set none")
}

// recvViolation sorts the errors of Recv.
func recvViolation(err error) *violation {
	if errors.Is(err, io.EOF) {
		return halfClosed("client ended its stream without a Goodbye")
	}
	s := status.Convert(err)
	text := strings.TrimPrefix(s.Message(), "grpc: ")
	switch {
	case s.Code() == codes.ResourceExhausted:
		return tooMuch("a frame is too large: %s", text)
	case s.Code() == codes.DeadlineExceeded:
		return pastDeadline()
	case s.Code() == codes.Internal && text == io.ErrUnexpectedEOF.Error():
		return halfClosed("client ended its stream in the middle of a frame")
	case s.Code() == codes.Internal, s.Code() == codes.Unimplemented, s.Code() == codes.InvalidArgument:
		// What a frame holds is judged behind Recv; this is how it is packed.
		return transport("client's stream broke gRPC's framing: %s", text)
	default:
		return lost("the client's stream ended: %s", s.Message())
	}
}

// halfClosed returns the end of a stream on which the client says nothing more, without having
// said Goodbye. The session stays, and the client may come again.
func halfClosed(text string) *violation {
	v := streamEnded("%s; the session is kept: connect again, send what is not acknowledged, and say Goodbye", text)
	v.reason = bulkheadv1.Reason_REASON_GOODBYE_MISSING
	return v
}
