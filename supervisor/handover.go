package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"bulkhead/internal/child"
	"bulkhead/internal/failpoint"
	"bulkhead/internal/fdpass"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/door"
	"bulkhead/supervisor/rundir"
)

// handoverTries is how many handlers a connection is offered to.
const handoverTries = 3

// retryHandler is when a client that found no handler should come again.
const retryHandler = 2 * time.Second

var (
	errNoHandler = errors.New("no handler is free")
	// errNotTaken is wrapped when a handler did not take the socket over and is
	// gone: another may.
	errNotTaken = errors.New("no handler takes the connection over")
)

// handoverTimeout returns how long a handler may take to take a socket over: a fifth of
// the time it may take to start.
func (c Config) handoverTimeout() time.Duration { return c.Handler.StartTimeout / 5 }

// connection serves one accepted connection until it is over and its handler is
// gone. It closes conn.
func (r *run) connection(ctx context.Context, id uint64, conn *net.TCPConn, t *door.Ticket, release func()) {
	ctx, l, unlist := r.newLink(ctx, id, conn.RemoteAddr().String(), t)
	defer unlist()
	failpoint.Hit("supervisor/accepted")
	if t.MustSpeak() {
		if err := l.awaitSpeech(ctx, conn, t, t.Patience(r.cfg.Session.HelloTimeout)); err != nil {
			r.endUnserved(l, conn, err)
			return
		}
		if t.Crowds() {
			r.endUnserved(l, conn, errCrowds)
			return
		}
		var ok bool
		if release, ok = r.claimHandler(t); !ok {
			r.shedConnection(conn, r.scarceThreads())
			return
		}
	}
	defer release()
	for try := 1; ; try++ {
		if err := r.equip(ctx, l); err != nil {
			r.endUnserved(l, conn, err)
			return
		}
		release()
		err := l.serve(ctx, r, conn)
		if !errors.Is(err, errNotTaken) {
			r.finishLink(ctx, l, err)
			return
		}
		r.dropHandler(l, err)
		if try == handoverTries {
			r.endUnserved(l, conn, errNotTaken)
			return
		}
	}
}

// equip gives the link a handler of the pool, which it waits for no longer than two
// handlers may take to start.
func (r *run) equip(ctx context.Context, l *link) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 2*r.cfg.Handler.StartTimeout, errNoHandler)
	defer cancel()
	take := r.pool.Take
	if l.ticket.ComesFirst() {
		take = r.pool.TakeFirst
	}
	handler, err := take(ctx)
	if err != nil {
		return err
	}
	r.setHandler(l, handler)
	l.taken = time.Now()
	l.log = r.log.With("connection", l.id, "peer", l.peer, "handler_pid", handler.Pid())
	return nil
}

// setHandler sets which handler serves the link; nil for none.
func (r *run) setHandler(l *link, c *child.Child) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l.child = c
}

// setNoted sets whether the link's handler belongs in the roster.
func (r *run) setNoted(l *link, noted bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l.noted = noted
}

// dropHandler journals and forgets a handler that did not take the socket over.
func (r *run) dropHandler(l *link, err error) {
	exit := l.child.Exit()
	l.log.Warn("a handler did not take a connection over", "cause", exit.String(), "error", err)
	r.setNoted(l, false)
	r.setHandler(l, nil)
	if err := r.roster.Remove(l.id); err != nil {
		l.log.Error(err.Error())
	}
	r.handlerDied(&bulkheadv1.HandlerExited{Exit: exit.Proto(nil)})
	r.pool.EndedEarly(exit.String(), false)
}

// endUnserved ends a connection that has no handler.
func (r *run) endUnserved(l *link, conn *net.TCPConn, err error) {
	switch {
	case errors.Is(err, errNoHandler), errors.Is(err, errNotTaken), errors.Is(err, errUpgrading):
		r.shedConnection(conn, &door.Refusal{Why: err.Error(), RetryAfter: retryHandler})
	case errors.Is(err, errMadeRoom), errors.Is(err, errCrowds):
		r.shedConnection(conn, &door.Refusal{Why: err.Error(), RetryAfter: door.RetryStartups})
	case errors.Is(err, door.ErrSilentClient), errors.Is(err, door.ErrMuteClient):
		conn.Close()
		r.reject(l, claimant{}, err.Error())
	default: // the run is over
		conn.Close()
		r.reject(l, claimant{}, fmt.Sprintf("no handler was free: %v", err))
	}
}

// handOver gives conn to the link's handler, which is noted first: from then on another
// supervisor can adopt it. opened is the error of what went before. An error that
// wraps errNotTaken leaves the handler dead and conn as it was; otherwise conn is closed.
func (l *link) handOver(r *run, conn *net.TCPConn, opened error) error {
	err := opened
	if err == nil {
		r.setNoted(l, true) // from here on it is missed where it is not
		if err := l.note(r); err != nil {
			l.log.Error("another supervisor could not adopt this handler", "error", err)
		}
	}
	if err == nil {
		failpoint.Hit("supervisor/before-handover")
		if err = l.child.SendSocket(l.handover(r), conn, time.Now().Add(r.cfg.handoverTimeout())); err == nil {
			failpoint.Hit("supervisor/after-handover")
			conn.Close()
			l.settle()
			return nil
		}
	}
	// It may have taken the socket after all, too late, so it must be dead before one
	// can know that it did nothing with it.
	exit := l.child.KillFor(bulkheadv1.ExitClass_EXIT_CLASS_HANG, "did not take a connection over: "+err.Error())
	if !exit.Alive && door.Untouched(conn) {
		return fmt.Errorf("%w: %w", errNotTaken, err)
	}
	conn.Close()
	return err
}

// handover returns what the handler is told with the socket.
func (l *link) handover(r *run) fdpass.Handover {
	h := fdpass.Handover{ID: l.id}
	if l.ticket.OnlyReturns() {
		h.Patience = l.ticket.Patience(r.cfg.Session.HelloTimeout)
	}
	return h
}

// note adds the link's handler to the roster.
func (l *link) note(r *run) error {
	rec, err := l.child.Record()
	if err != nil {
		return err
	}
	r.pool.Threads.Limit().Do(func() {
		err = r.roster.Add(rundir.Rostered{Connection: l.id, Peer: l.peer, Child: rec})
	})
	return err
}

// Why a connection is rejected that never spoke; the words are those of a handler.
var (
	// errMadeRoom and errCrowds are no rejections: it is shed.
	errCrowds   = errors.New("too many connections from this address have a handler and have not said Hello")
	errMadeRoom = errors.New(
		"too many connections have not said Hello, and this one has said nothing for the longest time")
)

// awaitSpeech calls door.AwaitSpeech for the link's client, until it must hurry or make room.
func (l *link) awaitSpeech(ctx context.Context, conn *net.TCPConn, t *door.Ticket, patience time.Duration) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	t.Mute(func() { cancel(errMadeRoom) })
	defer t.Unmuted()
	stop := context.AfterFunc(l.hurried, func() { cancel(errUpgrading) })
	defer stop()
	return door.AwaitSpeech(ctx, conn, patience)
}
