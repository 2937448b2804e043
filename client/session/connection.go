package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"bulkhead/client/outbox"
	"bulkhead/internal/boottime"
	"bulkhead/internal/human"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// welcomeTimeout is how long the supervisor may take from the TCP connect to its
// Welcome, before the client hangs up and tries again.
const welcomeTimeout = 10 * time.Second

// othersTimeout is the same while there are other addresses to try.
const othersTimeout = 5 * time.Second

type collectStream = bulkheadv1.CollectorService_CollectClient

// connection is one connection of a session.
type connection struct {
	session *Session
	stream  collectStream
	dialled *dialled
	limits  *bulkheadv1.Limits
	end     context.CancelCauseFunc // ends the stream, with the reason

	echoes echoes       // the receiver's
	anew   atomic.Bool  // they begin anew
	sent   atomic.Int64 // when the Echo that is not answered was sent, by boottime; 0 for none
	waits  bool         // the load waits to begin, as the Welcome says

	closed      bool          // the Welcome says that the session is closed
	goodbyeSent bool          // the sender's until it has ended
	acked       bool          // the receiver's; at least one message was acknowledged
	durable     uint64        // the receiver's, after greet; the newest acknowledged message
	idle        *rate.Limiter // the receiver's; frames that may still say nothing new
}

// reached is how far a connection came.
type reached struct {
	welcomed bool          // the supervisor's Welcome came
	acked    bool          // at least one message was acknowledged
	lasted   time.Duration // from the Welcome to the end
}

// connect makes a connection, runs it to its end and returns how it ended. The Welcome
// must come within patience.
func (s *Session) connect(ctx context.Context, patience time.Duration) (reached, error) {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	began := time.Now()
	impatience := time.AfterFunc(patience, func() {
		end(broken(fmt.Errorf("no welcome in %s", human.BriefDuration(time.Since(began)))))
	})
	defer impatience.Stop()
	d, err := s.dial(ctx)
	if untrusted := (distrusted{}); errors.As(err, &untrusted) && s.IsWelcomed() {
		err = broken(err) // it was right before, so somebody may be changing it
	}
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return reached{}, err
	}
	defer d.channel.Close()
	if left := patience - time.Since(began); len(s.way.route.Left()) > 1 && left > othersTimeout {
		impatience.Reset(othersTimeout)
	}
	defer s.Asked.Store(false)
	stream, err := bulkheadv1.NewCollectorServiceClient(d.channel).Collect(ctx)
	if err != nil {
		return reached{}, d.judge(ctx, err)
	}
	c := &connection{session: s, stream: stream, dialled: d, end: end, idle: idleFrames()}
	if err := c.greet(); err != nil {
		return reached{}, d.judge(ctx, err)
	}
	if !impatience.Stop() { // it fired: the stream is over
		return reached{}, d.judge(ctx, context.Canceled)
	}
	greeted := time.Now()
	var sender sync.WaitGroup
	sender.Go(func() { c.send(ctx) }) // ended by end or by a broken stream
	err = d.judge(ctx, c.receive())
	end(nil)
	sender.Wait()
	return reached{welcomed: true, acked: c.acked, lasted: time.Since(greeted)}, c.closing(err)
}

// dial makes the connection of connect, with the token and the certificates that are in force now.
func (s *Session) dial(ctx context.Context) (*dialled, error) {
	if s.tokenFile != "" {
		token, err := readToken(s.tokenFile)
		if err != nil {
			return nil, distrusted{err}
		}
		s.hello.Token = token
	}
	return s.way.dial(ctx, s.vitals.hear)
}

// greet sends Hello and receives the Welcome.
func (c *connection) greet() error {
	hello := c.session.introduce()
	c.session.Asked.Store(true)
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
	if err := checkWelcome(welcome); err != nil {
		return final{err}
	}
	c.limits, c.closed, c.durable = limitsOf(welcome), welcome.GetClosed(), welcome.GetResumeAfter()
	if err := c.session.outbox.Resume(welcome.GetResumeAfter()); err != nil {
		return final{err}
	}
	c.session.welcome(welcome, c.dialled.wire.socket)
	c.waits = welcome.GetGathers()
	return nil
}

// send sends batches as they come and as the limits allow, and Goodbye when
// everything is durable.
func (c *connection) send(ctx context.Context) {
	echo, sent := time.NewTimer(0), 0
	defer echo.Stop()
	echoes := c.waits
	if !echoes {
		echo.Stop()
	}
	for {
		if !echoes && c.session.measuring.Load() {
			echoes, sent = true, 0
			c.anew.Store(true)
			echo.Reset(0)
		}
		batch, err := c.session.outbox.Take(c.limits)
		if err != nil {
			c.end(final{err})
			return
		}
		if batch != nil {
			if !c.sendFrame(ctx, batch) {
				return
			}
			continue
		}
		switch state := c.session.outbox.State(); {
		case state.Drained:
			c.sendGoodbye(ctx, state.Said)
			return
		case state.Cut && state.Acked == state.Last:
			c.end(final{outbox.ErrCutOff})
			return
		}
		select {
		case <-c.session.outbox.Changed:
		case <-echo.C:
			if sent++; !c.sendEcho(ctx) {
				return
			}
			echoes = c.waits && !c.session.begins() || c.session.measuring.Load()
			if echoes {
				echo.Reset(echoAfter(sent))
			}
		case <-ctx.Done():
			return
		}
	}
}

// sendEcho measures the clock of the supervisor's machine.
func (c *connection) sendEcho(ctx context.Context) bool {
	e := newEcho()
	c.sent.Store(e.GetSentElapsedNano())
	return c.sendFrame(ctx, &bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Echo{Echo: e}})
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
		c.end(broken(fmt.Errorf("saying goodbye: %w", err)))
	}
}

// sendFrame sends a ClientFrame or an outbox.Frame. It returns false when the stream is over;
// receive knows why.
func (c *connection) sendFrame(ctx context.Context, frame any) bool {
	err := c.stream.SendMsg(frame)
	if err != nil && err != io.EOF {
		c.end(c.dialled.judge(ctx, err))
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
		news := false
		switch f := frame.GetFrame().(type) {
		case *bulkheadv1.ServerFrame_Ack:
			if err := c.session.outbox.Ack(f.Ack.GetSeq()); err != nil {
				return final{err}
			}
			if news = f.Ack.GetSeq() > c.durable; news {
				c.durable, c.acked = f.Ack.GetSeq(), true
			}
		case *bulkheadv1.ServerFrame_Drain:
			c.session.drain(f.Drain)
		case *bulkheadv1.ServerFrame_Begin:
			c.session.begin(f.Begin)
		case *bulkheadv1.ServerFrame_StageBegin:
			c.session.stageBegin(f.StageBegin)
		case *bulkheadv1.ServerFrame_RateShare:
			news = c.session.rateShare(f.RateShare)
		case *bulkheadv1.ServerFrame_Echo:
			if c.anew.Swap(false) {
				c.echoes = echoes{} // the clocks have drifted apart since
			}
			clock, ok := c.echoes.take(f.Echo, c.sent.Swap(0), boottime.Now())
			if news = ok; ok {
				c.session.measured(clock)
			}
		case nil: // of a newer supervisor, which gets on without an answer
		default:
			return final{fmt.Errorf("the supervisor sent an unexpected frame: %T", f)}
		}
		if !news && !c.idle.Allow() {
			return broken(errors.New("the supervisor's side floods this client with frames that say nothing new"))
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
	if state := c.session.outbox.State(); err == io.EOF && c.closed && state.Acked == state.Last {
		switch {
		case state.Sealed:
			return nil
		case state.Cut:
			return final{outbox.ErrCutOff}
		}
	}
	if err == io.EOF {
		return final{errors.New("the supervisor closed the session before goodbye")}
	}
	return err
}
