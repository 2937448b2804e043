package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"bulkhead/internal/backoff"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// backoffFirst and backoffMost bound the wait between two connections.
const (
	backoffFirst = 200 * time.Millisecond
	backoffMost  = 5 * time.Second
)

// session keeps the client connected to the supervisor and delivers the outbox.
// Connections come and go; the session is one.
type session struct {
	address        string
	hello          *bulkheadv1.Hello
	outbox         *outbox
	connectTimeout time.Duration // until the first Welcome
	log            *slog.Logger

	welcomed chan struct{} // closed by the first Welcome
	drained  chan struct{} // closed by the first Drain

	welcomeOnce, drainOnce sync.Once
	// first is the first Welcome; read it after welcomed is closed.
	first *bulkheadv1.Welcome
	// drainFrame is the first Drain; read it after drained is closed.
	drainFrame *bulkheadv1.Drain
	// goodbyeSent says that a Goodbye went out on a connection that has ended. Only
	// run's goroutine uses it.
	goodbyeSent bool
}

func newSession(cfg Config, hello *bulkheadv1.Hello, box *outbox) *session {
	return &session{
		address:        cfg.Supervisor,
		hello:          hello,
		outbox:         box,
		connectTimeout: cfg.ConnectTimeout,
		log:            cfg.Logger,
		welcomed:       make(chan struct{}),
		drained:        make(chan struct{}),
	}
}

// run keeps the session until Goodbye is answered, and returns nil then. Otherwise
// it returns when ctx is done, when the supervisor refuses the client, or when
// there was no Welcome within the connect timeout, and says which.
func (s *session) run(ctx context.Context) error {
	deadline := time.Now().Add(s.connectTimeout)
	for failed := 1; ; failed++ {
		acked, err := s.connect(ctx, s.patience(deadline))
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var again retryable
		if !errors.As(err, &again) {
			return s.settle(err)
		}
		if acked {
			failed = 1
		}
		wait, err := s.pause(failed, deadline, again)
		if err != nil {
			return err
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// pause is how long to wait after a connection that ended for the reason why, or an
// error when the time to connect at all is over.
func (s *session) pause(failed int, deadline time.Time, why error) (time.Duration, error) {
	wait := backoff.Policy{First: backoffFirst, Most: backoffMost}.After(failed, rand.Float64())
	if s.isWelcomed() {
		s.log.Warn(fmt.Sprintf("connection to supervisor %s lost (%v); trying again in %s", s.address, why, durationText(wait)))
		return wait, nil
	}
	left := time.Until(deadline)
	if left <= backoffFirst {
		return 0, fmt.Errorf("supervisor %s not reachable in %s (%w); is it running, and is the address right?", s.address, s.connectTimeout, why)
	}
	wait = min(wait, left-backoffFirst/2)
	s.log.Warn(fmt.Sprintf("supervisor %s not reachable (%v); trying again in %s, giving up in %s",
		s.address, why, durationText(wait), durationText(left)))
	return wait, nil
}

// patience is how long the next connection may take to its Welcome.
func (s *session) patience(deadline time.Time) time.Duration {
	if s.isWelcomed() {
		return welcomeTimeout
	}
	return min(welcomeTimeout, time.Until(deadline))
}

// settle decides whether a final error is the expected end after all: a session
// that is over because the supervisor did take the Goodbye, whose answer was lost.
func (s *session) settle(err error) error {
	var r refusal
	over := errors.As(err, &r) && r.status.Code() == codes.FailedPrecondition
	if over && s.goodbyeSent && s.outbox.state().drained {
		return nil
	}
	return err
}

func (s *session) isWelcomed() bool {
	select {
	case <-s.welcomed:
		return true
	default:
		return false
	}
}

// welcome takes note of a Welcome.
func (s *session) welcome(w *bulkheadv1.Welcome) {
	again := true
	s.welcomeOnce.Do(func() {
		again = false
		s.first = w
		s.log.Info("connected to supervisor "+s.address, "run", w.GetRunId(), "session", w.GetSessionId())
		close(s.welcomed)
	})
	if again {
		s.log.Info("connected to supervisor "+s.address+" again", "resume_after", w.GetResumeAfter())
	}
}

// drain takes note of a Drain.
func (s *session) drain(d *bulkheadv1.Drain) {
	s.drainOnce.Do(func() {
		s.drainFrame = d
		s.log.Info("supervisor asks for the end", "reason", d.GetReason())
		close(s.drained)
	})
}

// sleep waits for d, or returns the cause of ctx's end.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
