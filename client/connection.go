package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// welcomeTimeout is how long the supervisor may take from the TCP connect to its
// Welcome, before the client hangs up and tries again.
const welcomeTimeout = 10 * time.Second

type collectStream = bulkheadv1.CollectorService_CollectClient

// connection is one connection of a session.
type connection struct {
	session *session
	stream  collectStream
	limits  *bulkheadv1.Limits
	end     context.CancelCauseFunc // ends the stream, with the reason

	goodbyeSent bool // the sender's until it has ended
	acked       bool // the receiver's; at least one ack came
}

// connect makes a connection, runs it to its end and says how it ended. The Welcome
// must come within patience. acked says whether any message was acknowledged.
func (s *session) connect(ctx context.Context, patience time.Duration) (acked bool, err error) {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	impatience := time.AfterFunc(patience, func() {
		end(retryable{fmt.Errorf("no welcome in %s", durationText(patience))})
	})
	defer impatience.Stop()
	channel, err := dial(ctx, s.address)
	if err != nil {
		return false, judge(ctx, retryable{err})
	}
	defer channel.Close()
	stream, err := bulkheadv1.NewCollectorServiceClient(channel).Collect(ctx)
	if err != nil {
		return false, judge(ctx, err)
	}
	c := &connection{session: s, stream: stream, end: end}
	if err := c.greet(); err != nil {
		return false, judge(ctx, err)
	}
	if !impatience.Stop() { // it fired: the stream is over
		return false, judge(ctx, context.Canceled)
	}
	var sender sync.WaitGroup
	sender.Go(func() { c.send(ctx) }) // ended by end or by a broken stream
	err = judge(ctx, c.receive())
	end(nil)
	sender.Wait()
	return c.acked, c.closing(err)
}

// greet says Hello and takes the Welcome.
func (c *connection) greet() error {
	hello := proto.CloneOf(c.session.hello)
	hello.WallClockUnixNano = time.Now().UnixNano()
	frame := &bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Hello{Hello: hello}}
	if err := c.stream.Send(frame); err != nil && err != io.EOF { // after EOF, Recv knows why
		return err
	}
	answer, err := c.stream.Recv()
	if err == io.EOF {
		return final{errors.New("the supervisor closed the session without a welcome")}
	}
	if err != nil {
		return err
	}
	welcome := answer.GetWelcome()
	if welcome == nil {
		return final{fmt.Errorf("the supervisor's first frame is %T, not a welcome", answer.GetFrame())}
	}
	c.limits = limitsOf(welcome)
	if err := c.session.outbox.resume(welcome.GetResumeAfter()); err != nil {
		return final{err}
	}
	c.session.welcome(welcome)
	return nil
}

// limitsOf is what the supervisor allows; what it leaves out has the documented
// default.
func limitsOf(w *bulkheadv1.Welcome) *bulkheadv1.Limits {
	l := w.GetLimits()
	return &bulkheadv1.Limits{
		MaxFrameBytes:     min(or(l.GetMaxFrameBytes(), 1<<20), frameMaxBytes),
		MaxBatchMessages:  or(l.GetMaxBatchMessages(), 1024),
		MaxUnackedBatches: or(l.GetMaxUnackedBatches(), 64),
	}
}

// send sends batches as they come and as the limits allow, and Goodbye when
// everything is durable.
func (c *connection) send(ctx context.Context) {
	for {
		batch, err := c.session.outbox.take(c.limits)
		if err != nil {
			c.end(final{err})
			return
		}
		if batch != nil {
			frame := &bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Batch{Batch: batch}}
			if !c.sendFrame(ctx, frame) {
				return
			}
			continue
		}
		if state := c.session.outbox.state(); state.drained {
			c.sendGoodbye(ctx, state.last)
			return
		}
		select {
		case <-c.session.outbox.changed:
		case <-ctx.Done():
			return
		}
	}
}

func (c *connection) sendGoodbye(ctx context.Context, last uint64) {
	c.goodbyeSent = true
	frame := &bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Goodbye{
		Goodbye: &bulkheadv1.Goodbye{LastSeq: last},
	}}
	if !c.sendFrame(ctx, frame) {
		return
	}
	if err := c.stream.CloseSend(); err != nil {
		c.end(retryable{fmt.Errorf("saying goodbye: %w", err)})
	}
}

// sendFrame returns false when the stream is over; receive knows why.
func (c *connection) sendFrame(ctx context.Context, frame *bulkheadv1.ClientFrame) bool {
	err := c.stream.Send(frame)
	if err != nil && err != io.EOF {
		c.end(judge(ctx, err))
	}
	return err == nil
}

// receive takes the supervisor's frames until the stream ends.
func (c *connection) receive() error {
	for {
		frame, err := c.stream.Recv()
		if err != nil {
			return err
		}
		switch f := frame.GetFrame().(type) {
		case *bulkheadv1.ServerFrame_Ack:
			if err := c.session.outbox.ack(f.Ack.GetSeq()); err != nil {
				return final{err}
			}
			c.acked = true
		case *bulkheadv1.ServerFrame_Drain:
			c.session.drain(f.Drain)
		default:
			return final{fmt.Errorf("the supervisor sent an unexpected frame: %T", f)}
		}
	}
}

// closing turns the end of the stream into the end of the session where they are
// the same, and remembers an unanswered Goodbye.
func (c *connection) closing(err error) error {
	if c.goodbyeSent {
		c.session.goodbyeSent = true
	}
	if err == io.EOF && c.goodbyeSent {
		return nil
	}
	if err == io.EOF {
		return final{errors.New("the supervisor closed the session before goodbye")}
	}
	return err
}

// judge sorts the error that ended a stream: what this side decided, if it did;
// otherwise UNAVAILABLE is worth another try and every other status is final.
func judge(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	var f final
	var r retryable
	if err == io.EOF || errors.As(err, &f) || errors.As(err, &r) {
		return err
	}
	s := status.Convert(err)
	if s.Code() == codes.Unavailable || s.Code() == codes.DeadlineExceeded {
		return retryable{errors.New(s.Message())}
	}
	return final{refusal{s}}
}

// retryable is an error that another connection may not have.
type retryable struct{ error }

func (r retryable) Unwrap() error { return r.error }

// final is an error that ends the session.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

// refusal is a status of the supervisor that ends the session.
type refusal struct{ status *status.Status }

func (r refusal) Error() string {
	return fmt.Sprintf("the supervisor refused: %s (%s)", r.status.Message(), r.status.Code())
}
