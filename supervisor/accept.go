package supervisor

import (
	"context"
	"errors"
	"net"
	"os"
	"time"

	"bulkhead/internal/backoff"
)

// acceptAgain is how long the listener pauses after an error such as EMFILE.
var acceptAgain = backoff.Policy{First: 10 * time.Millisecond, Most: time.Second}

// accept takes connections for the run until ctx is done. Connections that come
// after that wait in the kernel's backlog for the next run.
func (r *run) accept(ctx context.Context, listener *net.TCPListener) {
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		listener.SetDeadline(time.Unix(1, 0))
	})
	defer func() {
		if stop() {
			return
		}
		<-interrupted // else the old deadline could come after the new one and stay
		listener.SetDeadline(time.Time{})
	}()
	failures := 0
	for ctx.Err() == nil {
		conn, err := listener.AcceptTCP()
		switch {
		case err == nil:
			failures = 0
			r.connect(conn)
		case errors.Is(err, net.ErrClosed):
			return
		case errors.Is(err, os.ErrDeadlineExceeded):
		default:
			failures++
			if failures == 1 {
				r.log.Error("connections cannot be accepted; trying again", "error", err)
			}
			pause(ctx, acceptAgain.After(failures, 0))
		}
	}
}

// connect starts serving one connection.
func (r *run) connect(conn *net.TCPConn) {
	id := r.accepted.Add(1)
	r.running.Go(func() { r.connection(r.procCtx, id, conn) })
}

// pause waits for d or until ctx is done.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
