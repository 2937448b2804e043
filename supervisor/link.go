package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bulkhead/internal/child"
	"bulkhead/internal/downlink"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// helloSlack is how much later than the client the handler may be with a Hello or
// an End.
const helloSlack = 3 * time.Second

// endSlack is how long after a Finish the handler's End may take: it flushes the
// status to the client first.
const endSlack = 5 * time.Second

// Causes of a link's end that are the supervisor's own doing.
var (
	errReplaced = errors.New("the client connected again")
	errSilent   = errors.New("the handler reported neither a Hello nor an end in time")
	errUnended  = errors.New("the handler reported no end in time")
	errRunOver  = errors.New("the run is over")
	// errLied is wrapped by what a handler did that no honest one does.
	errLied = errors.New("protocol")
)

// link is one client connection: the handler process that owns its socket, and
// the stream to that handler. One goroutine, run, owns it.
type link struct {
	id    uint64
	peer  string
	child *child.Child
	down  *downlink.Queue // frames for the client; anybody may put
	drop  context.CancelCauseFunc
	log   *slog.Logger

	greeted bool            // the handler reported a Hello
	refused bool            // journalled as rejected
	clock   int64           // the client's wall clock in its Hello
	end     *bulkheadv1.End // what the handler reported last; nil if it did not
	// processor serves the session, once the client was let in.
	processor atomic.Pointer[processor]
	lied      sync.Once // for the log
}

// connection serves one accepted connection until it is over and its handler is
// gone. It closes conn.
func (r *run) connection(ctx context.Context, id uint64, conn *net.TCPConn) {
	ctx, drop := context.WithCancelCause(ctx)
	defer drop(nil)
	l := &link{id: id, peer: conn.RemoteAddr().String(), down: downlink.New(), drop: drop}
	l.log = r.log.With("connection", id, "peer", l.peer)
	r.mu.Lock()
	r.links[l] = struct{}{}
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		delete(r.links, l)
		r.mu.Unlock()
	}()
	handler, err := r.pool.Take(ctx)
	if err != nil {
		conn.Close()
		r.reject(l, "", fmt.Sprintf("no handler was free: %v", err))
		return
	}
	l.child = handler
	l.log = l.log.With("handler_pid", handler.Pid())
	r.finishLink(ctx, l, l.serve(ctx, r, conn))
}

// serve hands the socket over and then takes what the handler says to the session.
// The stream is opened first: the handler waits for the socket there, so that the
// two cross the process boundary at the same time.
func (l *link) serve(ctx context.Context, r *run, conn *net.TCPConn) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	overdue := time.AfterFunc(r.cfg.Session.HelloTimeout+helloSlack, func() { l.drop(errSilent) })
	defer overdue.Stop()
	stream, err := l.open(ctx, r)
	if err == nil {
		err = l.child.SendSocket(l.id, conn, time.Now().Add(r.cfg.Handler.StartTimeout))
	}
	conn.Close()
	if err != nil {
		return err
	}
	return l.pump(ctx, r, stream, overdue)
}

// open opens the handler's stream.
func (l *link) open(ctx context.Context, r *run) (bulkheadv1.HandlerService_ServeClient, error) {
	stream, err := bulkheadv1.NewHandlerServiceClient(l.child.Conn()).Serve(ctx)
	if err != nil {
		return nil, fmt.Errorf("opening the handler's stream: %w", err)
	}
	open := &bulkheadv1.Open{
		ConnectionId:      l.id,
		Limits:            r.limits(),
		HelloTimeoutNano:  int64(r.cfg.Session.HelloTimeout),
		ClientTimeoutNano: int64(r.cfg.Session.ClientTimeout),
	}
	if err := stream.Send(&bulkheadv1.SupervisorFrame{Frame: &bulkheadv1.SupervisorFrame_Open{Open: open}}); err != nil {
		return nil, fmt.Errorf("opening the handler's stream: %w", err)
	}
	return stream, nil
}

// pump relays in both directions until the handler reports the end (nil) or the
// stream breaks. overdue is stopped at the handler's first word.
func (l *link) pump(ctx context.Context, r *run, stream bulkheadv1.HandlerService_ServeClient, overdue *time.Timer) error {
	ctx, cancel := context.WithCancel(ctx)
	sent := make(chan struct{})
	go func() { // ends with ctx
		defer close(sent)
		for f := l.down.Next(ctx); f != nil; f = l.down.Next(ctx) {
			if stream.Send(f) != nil {
				return // Recv says why
			}
		}
	}()
	defer func() { cancel(); <-sent }()
	for {
		f, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return errors.New("the handler ended its stream without a word")
		}
		if err != nil {
			if cause := context.Cause(ctx); cause != nil {
				return cause
			}
			return streamError(err)
		}
		if cause := context.Cause(ctx); cause != nil {
			return cause // what a dropped handler still says counts no more
		}
		overdue.Stop()
		if l.take(ctx, r, f) {
			return context.Cause(ctx) // nil unless the link was dropped meanwhile
		}
	}
}

// streamError sorts the errors of Recv: only a handler that was taken over sends
// more than the largest frame.
func streamError(err error) error {
	if status.Code(err) == codes.ResourceExhausted {
		return fmt.Errorf("%w: the handler sent too much: %w", errLied, err)
	}
	return fmt.Errorf("handler stream: %w", err)
}

// take acts on one frame of the handler and says whether it was the last.
func (l *link) take(ctx context.Context, r *run, f *bulkheadv1.HandlerFrame) bool {
	p := l.processor.Load()
	switch f := f.GetFrame().(type) {
	case *bulkheadv1.HandlerFrame_Hello:
		if l.greeted {
			l.distrust(fmt.Errorf("%w: the handler sent a second Hello", errLied))
			return false
		}
		l.greeted = true
		r.admit(ctx, l, f.Hello)
	case *bulkheadv1.HandlerFrame_Batch:
		if p == nil {
			l.distrust(fmt.Errorf("%w: the handler sent a Batch of a client that was not let in", errLied))
			return false
		}
		p.post(ctx, note{kind: noteBatch, link: l, batch: f.Batch})
	case *bulkheadv1.HandlerFrame_Goodbye:
		if p == nil {
			l.distrust(fmt.Errorf("%w: the handler sent a Goodbye of a client that was not let in", errLied))
			return false
		}
		p.post(ctx, note{kind: noteGoodbye, link: l, lastSeq: f.Goodbye.GetLastSeq()})
	case *bulkheadv1.HandlerFrame_End:
		l.end = f.End
		return true
	default:
		l.distrust(fmt.Errorf("%w: the handler sent an empty frame", errLied))
	}
	return false
}

// distrust drops the connection of a handler that lied.
func (l *link) distrust(lie error) {
	l.lied.Do(func() { l.log.Error("handler is not to be trusted", "error", lie) })
	l.drop(lie)
}

// finish tells the client how its stream ends, and bounds how long the handler may
// take to pass that on.
func (l *link) finish(code codes.Code, text string) {
	l.down.Put(&bulkheadv1.SupervisorFrame{Frame: &bulkheadv1.SupervisorFrame_Finish{
		Finish: &bulkheadv1.Finish{Code: uint32(code), Text: text},
	}})
	time.AfterFunc(endSlack, func() { l.drop(errUnended) }) // does nothing after the link's end
}

// cause says, for a person, how the connection ended: in the handler's words, or
// by how the handler or its stream ended.
func (l *link) cause(exit child.Exit, err error) string {
	switch {
	case errors.Is(err, errLied):
		return err.Error()
	case l.end != nil:
		return l.end.GetText()
	case errors.Is(err, errReplaced), errors.Is(err, errRunOver), errors.Is(err, errSilent), errors.Is(err, errUnended):
		return err.Error()
	case exit.Class() == bulkheadv1.ExitClass_EXIT_CLASS_CRASH:
		return "handler " + exit.String()
	case err != nil:
		return err.Error()
	default:
		return "handler " + exit.String()
	}
}

// finishLink ends the handler, tells the session and journals the handler's end.
// It runs to its end also when ctx is done.
func (r *run) finishLink(ctx context.Context, l *link, err error) {
	grace := r.cfg.Handler.KillTimeout
	if l.end == nil && l.child.Exit().Alive {
		grace = brokenGrace // it broke its stream; if it is not dying, it is not well
	}
	stopBy, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	exit := l.child.Stop(stopBy)
	cancel()
	cause := l.cause(exit, err)
	if exit.Class() != bulkheadv1.ExitClass_EXIT_CLASS_CLEAN {
		l.log.Warn("handler ended badly", "cause", exit.String())
	}
	exited := &bulkheadv1.HandlerExited{
		ConnectionId: l.id, Exit: exit.Proto(nil), Peer: l.peer, End: l.end.GetText(),
		ReceivedBytes: l.end.GetReceivedBytes(), Messages: l.end.GetMessages(),
	}
	rec := &bulkheadv1.Record{Entry: &bulkheadv1.Record_HandlerExited{HandlerExited: exited}}
	if p := l.processor.Load(); p != nil {
		// The processor journals it, behind what it has to say of the session first.
		exited.Session = p.number
		p.post(context.WithoutCancel(ctx), note{kind: noteCut, link: l, cause: cause, breach: isBreach(l.end), exited: rec})
		return
	}
	r.reject(l, "", cause)
	r.record(rec)
}

// brokenGrace is how long a handler that broke its stream may take to exit.
const brokenGrace = time.Second

// isBreach says whether the client, rather than the network, ended the connection
// by breaking the protocol.
func isBreach(e *bulkheadv1.End) bool {
	switch e.GetClass() {
	case bulkheadv1.EndClass_END_CLASS_PROTOCOL, bulkheadv1.EndClass_END_CLASS_LIMIT, bulkheadv1.EndClass_END_CLASS_VERSION:
		return true
	default:
		return false
	}
}
