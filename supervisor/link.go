package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"

	"bulkhead/internal/child"
	"bulkhead/internal/downlink"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// helloSlack is how much later than the client the handler may be with a Hello or
// an End.
const helloSlack = 3 * time.Second

// Causes of a link's end that are the supervisor's own doing.
var (
	errReplaced = errors.New("the client connected again")
	errSilent   = errors.New("the handler reported neither a Hello nor an end in time")
	errRunOver  = errors.New("the run is over")
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

	refused bool            // journalled as rejected
	clock   int64           // the client's wall clock in its Hello
	end     *bulkheadv1.End // what the handler reported last; nil if it did not
	// processor serves the session, once the client was let in.
	processor atomic.Pointer[processor]
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
	err = handler.SendSocket(id, conn, time.Now().Add(r.cfg.Handler.StartTimeout))
	conn.Close()
	if err == nil {
		err = l.pump(ctx, r)
	}
	r.finishLink(ctx, l, err)
}

// pump opens the handler's stream and takes what it says to the session, until the
// handler reports the end (nil) or the stream breaks.
func (l *link) pump(ctx context.Context, r *run) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := bulkheadv1.NewHandlerServiceClient(l.child.Conn()).Serve(ctx)
	if err != nil {
		return fmt.Errorf("opening the handler's stream: %w", err)
	}
	open := &bulkheadv1.Open{
		ConnectionId:      l.id,
		Limits:            r.limits(),
		HelloTimeoutNano:  int64(r.cfg.Session.HelloTimeout),
		ClientTimeoutNano: int64(r.cfg.Session.ClientTimeout),
	}
	if err := stream.Send(&bulkheadv1.SupervisorFrame{Frame: &bulkheadv1.SupervisorFrame_Open{Open: open}}); err != nil {
		return fmt.Errorf("opening the handler's stream: %w", err)
	}
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
	overdue := time.AfterFunc(r.cfg.Session.HelloTimeout+helloSlack, func() { l.drop(errSilent) })
	defer overdue.Stop()
	for {
		f, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return errors.New("the handler ended its stream without a word")
		}
		if err != nil {
			if cause := context.Cause(ctx); cause != nil {
				return cause
			}
			return fmt.Errorf("handler stream: %w", err)
		}
		overdue.Stop()
		if l.take(ctx, r, f) {
			return nil
		}
	}
}

// take acts on one frame of the handler and says whether it was the last.
func (l *link) take(ctx context.Context, r *run, f *bulkheadv1.HandlerFrame) bool {
	p := l.processor.Load()
	switch f := f.GetFrame().(type) {
	case *bulkheadv1.HandlerFrame_Hello:
		if p == nil {
			r.admit(ctx, l, f.Hello)
			return false
		}
		l.drop(errors.New("protocol: the handler sent a second Hello"))
	case *bulkheadv1.HandlerFrame_Batch:
		if p != nil {
			p.post(ctx, note{kind: noteBatch, link: l, batch: f.Batch})
		}
	case *bulkheadv1.HandlerFrame_Goodbye:
		if p != nil {
			p.post(ctx, note{kind: noteGoodbye, link: l, lastSeq: f.Goodbye.GetLastSeq()})
		}
	case *bulkheadv1.HandlerFrame_End:
		l.end = f.End
		return true
	}
	return false
}

// finish tells the client how its stream ends.
func (l *link) finish(code codes.Code, text string) {
	l.down.Put(&bulkheadv1.SupervisorFrame{Frame: &bulkheadv1.SupervisorFrame_Finish{
		Finish: &bulkheadv1.Finish{Code: uint32(code), Text: text},
	}})
}

// cause says, for a person, how the connection ended: in the handler's words, or
// by how the handler or its stream ended.
func (l *link) cause(exit child.Exit, err error) string {
	switch {
	case l.end != nil:
		return l.end.GetText()
	case errors.Is(err, errReplaced), errors.Is(err, errRunOver), errors.Is(err, errSilent):
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
	exited := &bulkheadv1.HandlerExited{
		ConnectionId: l.id, Exit: exit.Proto(nil), Peer: l.peer, End: l.end.GetText(),
		ReceivedBytes: l.end.GetReceivedBytes(), Messages: l.end.GetMessages(),
	}
	if p := l.processor.Load(); p != nil {
		exited.Session = p.number
		p.post(context.WithoutCancel(ctx), note{kind: noteCut, link: l, cause: cause, breach: isBreach(l.end)})
	} else {
		r.reject(l, "", cause)
	}
	if exit.Class() != bulkheadv1.ExitClass_EXIT_CLASS_CLEAN {
		l.log.Warn("handler ended badly", "cause", exit.String())
	}
	r.record(&bulkheadv1.Record{Entry: &bulkheadv1.Record_HandlerExited{HandlerExited: exited}})
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
