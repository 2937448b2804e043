package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"bulkhead/client/route"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Line is one Collect stream of somebody who has no messages: an agent. It does not connect again.
type Line struct {
	// Welcome is the supervisor's.
	Welcome *bulkheadv1.Welcome

	ctx     context.Context
	end     context.CancelFunc
	dialled *dialled
	stream  collectStream
}

// OpenLine connects to a supervisor, says hello and waits for the Welcome, no longer than a client
// would. The token in tokenFile, if there is one, is that of hello. Close ends the line, and so does
// the end of ctx.
func OpenLine(ctx context.Context, way *Way, tokenFile string, hello *bulkheadv1.Hello) (*Line, error) {
	if tokenFile != "" {
		token, err := readToken(tokenFile)
		if err != nil {
			return nil, err
		}
		hello.Token = token
	}
	d, err := way.dial(ctx, func(time.Time) {})
	if err != nil {
		return nil, err
	}
	l := &Line{dialled: d}
	l.ctx, l.end = context.WithCancel(ctx)
	impatience := time.AfterFunc(welcomeTimeout, l.end)
	if l.stream, err = bulkheadv1.NewCollectorServiceClient(d.channel).Collect(l.ctx); err == nil {
		err = l.Send(&bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Hello{Hello: hello}})
	} else {
		err = d.judge(l.ctx, err)
	}
	var first *bulkheadv1.ServerFrame
	if err == nil {
		first, err = l.Recv()
	}
	switch late := !impatience.Stop(); {
	case late && ctx.Err() == nil:
		err = broken(fmt.Errorf("no welcome in %s", welcomeTimeout))
	case err == nil && first.GetWelcome() == nil:
		err = fmt.Errorf("the supervisor's first frame is %T, not a welcome", first.GetFrame())
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	l.Welcome = first.GetWelcome()
	way.learn(l.Welcome.GetSupervisors())
	return l, nil
}

// Send sends a frame. When the line is over it returns nil: Recv knows why.
func (l *Line) Send(f *bulkheadv1.ClientFrame) error {
	if err := l.stream.SendMsg(f); err != nil && err != io.EOF {
		return l.dialled.judge(l.ctx, err)
	}
	return nil
}

// Recv returns the next frame of the supervisor, or why the line is over.
func (l *Line) Recv() (*bulkheadv1.ServerFrame, error) {
	f, err := l.stream.Recv()
	switch {
	case err == io.EOF:
		return nil, broken(errors.New("the supervisor closed the connection"))
	case err != nil:
		return nil, l.dialled.judge(l.ctx, err)
	}
	return f, nil
}

// Close ends the line.
func (l *Line) Close() {
	l.end()
	l.dialled.channel.Close()
}

// Over takes note of how a line ended, welcomed or not, and returns why there is none, and whether
// another address can be tried at once.
func (w *Way) Over(welcomed bool, err error) (why error, more bool) {
	var again retryable
	retry := errors.As(err, &again)
	how := route.Failed
	switch {
	case welcomed && retry:
		how = again.end()
	case welcomed:
		how = route.Cut
	}
	more = w.ended(how, err, again.after)
	if w.sent(again.elsewhere) {
		more = true
	}
	if more || !retry {
		return err, more
	}
	return w.over(again), false
}

// RetryAfter returns when the supervisor asked to come again that ended a line; 0 if it did not say.
// refused says that it has refused whoever came, and would again.
func RetryAfter(err error) (after time.Duration, refused bool) {
	var again retryable
	if errors.As(err, &again) {
		return again.after, false
	}
	return 0, true
}
