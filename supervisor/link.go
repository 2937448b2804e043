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

	"bulkhead/internal/child"
	"bulkhead/internal/downlink"
	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/door"
	"bulkhead/supervisor/identity"
	"bulkhead/supervisor/journal"
	"bulkhead/supervisor/raw"
	"bulkhead/supervisor/watch"
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
	// errUpgrading lets go of a handler without ending it.
	errUpgrading = errors.New("the supervisor is being upgraded")
	// errLostAcknowledged is wrapped when a handler from before a restart continues behind
	// what the journal has, and the journal's end was damaged: no handler is to blame.
	errLostAcknowledged = errors.New(journal.LostAcknowledged)
)

// link is one client connection: the handler process that owns its socket, and
// the stream to that handler. One goroutine, run, owns it.
type link struct {
	id      uint64
	peer    string
	child   *child.Child // written with run.mu held; nil while it has none
	noted   bool         // guarded by run.mu; it belongs in the roster
	adopted bool         // its handler was adopted from a supervisor before this one
	ticket  *door.Ticket // nil if the gate does not know it
	taken   time.Time    // when its handler was taken from the pool; zero for one that was adopted
	send    sender       // anybody may put
	drop    context.CancelCauseFunc
	log     *slog.Logger

	// resumeAfter is the last durable message of the session that an adopted handler
	// serves, as far as it is known before its Hello.
	resumeAfter uint64
	settled     chan struct{}    // closed when the handler owns the client's socket, or never will
	settle      func()           // closes settled, once
	hurried     context.Context  // done when nobody still waits for a client that has not spoken
	hurry       func()           // makes hurried done
	wary        *raw.Wary        // of the call; nil before it
	welcomed    uint64           // last durable message as its client was welcomed; the processor's
	notary      *identity.Notary // of its TLS handshake; nil without TLS, and for an adopted one
	verdict     identity.Verdict // on its client's certificate
	who         *bulkheadv1.Identity
	hello       *bulkheadv1.Hello // of the client's, what it says of the connection; nil before it
	goodbye     bool              // the handler relayed the client's Goodbye
	unacked     []uint64          // last numbers of the batches that were not acknowledged when last looked at
	acked       atomic.Uint64     // what the processor acknowledged last
	finished    sync.Once         // for the bound on the handler's End
	refused     bool              // journalled as rejected, or shed
	shed        bool              // refused to shed load
	agent       string            // the id of its agent, if it is one that was let in
	agentic     atomic.Bool       // its Hello is an agent's
	end         *bulkheadv1.End   // what the handler reported last; nil if it did not
	// processor serves the session, once the client was let in.
	processor atomic.Pointer[processor]
	heard     atomic.Int64                   // when its client was last heard, by boottime
	dog       atomic.Pointer[watch.Watchdog] // nil while its handler is not pinged
	hung      sync.Once                      // for its end
	lied      sync.Once                      // for the log
}

// newLink makes the link of a connection and lists it, until unlist is called.
func (r *run) newLink(ctx context.Context, id uint64, peer string, t *door.Ticket) (linkCtx context.Context, l *link,
	unlist func()) {
	ctx, drop := context.WithCancelCause(ctx)
	l = &link{id: id, peer: peer, ticket: t, send: sender{down: downlink.New()}, drop: drop,
		settled: make(chan struct{})}
	l.hurried, l.hurry = context.WithCancel(context.Background())
	l.settle = sync.OnceFunc(func() { close(l.settled) })
	l.log = r.log.With("connection", id, "peer", l.peer)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.links[l] = struct{}{}
	return ctx, l, func() {
		drop(nil)
		l.hurry()
		l.settle()
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.links, l)
	}
}

// resume serves a connection whose handler was adopted from a supervisor before
// this one, until it is over and its handler is gone.
func (r *run) resume(ctx context.Context, a adopted) {
	ctx, l, unlist := r.newLink(ctx, a.Connection, a.Peer, r.gate.Adopt(sourceOf(a.Peer)))
	defer unlist()
	r.setHandler(l, a.child)
	r.setNoted(l, true)
	l.adopted = true
	l.settle()
	l.log = l.log.With("handler_pid", a.child.Pid())
	if a.session != nil {
		l.resumeAfter = a.resumeAfter
		l.processor.Store(a.session)
	}
	r.finishLink(ctx, l, l.serve(ctx, r, nil))
}

// serve hands the socket over and then takes what the handler says to the session. The
// handler waits for the socket in the call that was made before. conn is nil when the handler
// has the socket.
func (l *link) serve(ctx context.Context, r *run, conn *net.TCPConn) error {
	ctx, cancel := context.WithCancel(ctx)
	defer l.send.end()
	defer cancel()
	overdue := r.uptime.After(l.ticket.Patience(r.cfg.Session.HelloTimeout)+helloSlack, func() { l.drop(errSilent) })
	defer overdue.Stop()
	call, err := l.call(ctx, r)
	if conn != nil {
		if err == nil {
			err = l.beginTLS(r, call)
		}
		err = l.handOver(r, conn, err)
	}
	if err != nil {
		return err
	}
	l.wary = call.wary
	return l.pump(ctx, r, call.stream, overdue)
}

// pump relays in both directions until the handler reports the end (nil) or the
// stream breaks; run.guard watches over the handler meanwhile. overdue is stopped at the
// handler's first word.
func (l *link) pump(ctx context.Context, r *run, stream bulkheadv1.HandlerService_ServeClient,
	overdue *time.Timer) error {
	dog := watch.NewWatchdog(r.cfg.Handler.HangTimeout, time.Now())
	l.send.begin(stream)
	l.dog.Store(dog)
	defer l.dog.Store(nil)
	for {
		f, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return errors.New("the handler ended its stream without a word")
		}
		if err != nil {
			if cause := context.Cause(ctx); cause != nil {
				return cause
			}
			if err = l.streamError(err); errors.Is(err, raw.ErrLied) {
				l.distrust(err)
			}
			return err
		}
		if cause := context.Cause(ctx); cause != nil {
			return cause // what a dropped handler still says counts no more
		}
		if pong := f.GetPong(); pong != nil {
			if !dog.Answered(pong.GetNonce(), time.Duration(pong.GetBusyNano())) {
				l.distrust(fmt.Errorf("%w: the handler answered a ping that was not sent", raw.ErrLied))
			} else if silent := pong.GetSilentNano(); silent > 0 {
				l.hear(time.Duration(silent))
			}
			continue
		}
		if f.GetSign() == nil && f.GetProof() == nil {
			overdue.Stop()
		}
		dog.Hear(false)
		last := l.take(ctx, r, f)
		dog.Hear(true)
		if last {
			return context.Cause(ctx) // nil unless the link was dropped meanwhile
		}
	}
}

// take acts on one frame of the handler and reports whether it was the last.
func (l *link) take(ctx context.Context, r *run, f *bulkheadv1.HandlerFrame) bool {
	p := l.processor.Load()
	if end := f.GetEnd(); end == nil {
		l.hear(0)
	} else if end.GetSilentNano() > 0 {
		l.hear(time.Duration(end.GetSilentNano()))
	}
	switch f := f.GetFrame().(type) {
	case *bulkheadv1.HandlerFrame_Hello:
		if l.hello != nil {
			l.distrust(fmt.Errorf("%w: the handler sent a second Hello", raw.ErrLied))
			return false
		}
		if err := l.checkHello(r, f.Hello); err != nil {
			l.distrust(err)
			return false
		}
		l.hello = ofConnection(f.Hello)
		if f.Hello.GetAgent() != nil {
			l.agentic.Store(true)
			l.ticket.Greeted()
			r.admitAgent(l, f.Hello)
			return false
		}
		if r.awaitShare(ctx, l, f.Hello) != nil {
			return false // the link is over
		}
		l.ticket.Greeted()
		r.admit(ctx, l, f.Hello)
	case *bulkheadv1.HandlerFrame_Batch:
		if p == nil || l.hello == nil {
			l.distrust(fmt.Errorf("%w: the handler sent a Batch of a client that was not let in", raw.ErrLied))
			return false
		}
		if err := l.checkBatch(r, f.Batch); err != nil {
			l.distrust(err)
			return false
		}
		p.postMessages(ctx, note{kind: noteBatch, link: l, batch: f.Batch})
	case *bulkheadv1.HandlerFrame_Goodbye:
		if p == nil || l.hello == nil {
			l.distrust(fmt.Errorf("%w: the handler sent a Goodbye of a client that was not let in", raw.ErrLied))
			return false
		}
		if l.goodbye {
			l.distrust(fmt.Errorf("%w: the handler sent a second Goodbye", raw.ErrLied))
			return false
		}
		l.goodbye = true
		p.post(ctx, note{kind: noteGoodbye, link: l, lastSeq: f.Goodbye.GetLastSeq()})
	case *bulkheadv1.HandlerFrame_Resent:
		if p == nil || l.hello == nil {
			l.distrust(fmt.Errorf("%w: the handler sent messages again of a client that was not let in", raw.ErrLied))
			return false
		}
		if size := len(f.Resent.GetBatch()); size > protocol.MaxFrameBytes {
			l.distrust(fmt.Errorf("%w: the handler sent %d bytes of messages again", raw.ErrLied, size))
			return false
		}
		p.postMessages(ctx, note{kind: noteResent, link: l, told: &told{resent: f.Resent}})
	case *bulkheadv1.HandlerFrame_AgentReport:
		l.takeReport(ctx, r, f.AgentReport)
	case *bulkheadv1.HandlerFrame_Sign:
		l.sign(f.Sign)
	case *bulkheadv1.HandlerFrame_Proof:
		l.prove(f.Proof)
	case *bulkheadv1.HandlerFrame_End:
		f.End.Text = clipped(f.End.GetText())
		if n := f.End.GetUnknownFrames(); n > 0 {
			l.log.Warn("frames of a newer client were passed over", "frames", n)
		}
		l.end = f.End
		return true
	default:
		l.distrust(fmt.Errorf("%w: the handler sent an empty frame", raw.ErrLied))
	}
	return false
}

// answer is how a client's stream ends. The zero value is the end in order.
type answer struct {
	code   codes.Code
	reason bulkheadv1.Reason
	// about is what goes with the reason: the metadata of the google.rpc.ErrorInfo.
	about map[string]string
	text  string
	// retryAfter is when the client should try again; 0 leaves it to the client.
	retryAfter time.Duration
	// elsewhere is where it may go instead.
	elsewhere []string
}

// ack sends the handler, and through it the client, what is durable.
func (l *link) ack(seq uint64) {
	l.acked.Store(seq)
	l.send.put(&bulkheadv1.SupervisorFrame{Frame: &bulkheadv1.SupervisorFrame_Ack{Ack: &bulkheadv1.Ack{Seq: seq}}})
}

// finish sends the client how its stream ends, for which the first answer counts, and bounds how
// long the handler may take to pass that on.
func (l *link) finish(a answer) {
	l.finished.Do(func() {
		l.send.put(&bulkheadv1.SupervisorFrame{Frame: &bulkheadv1.SupervisorFrame_Finish{Finish: &bulkheadv1.Finish{
			Code: uint32(a.code), Reason: a.reason, Metadata: a.about, Text: a.text,
			RetryAfterNano: int64(a.retryAfter), Elsewhere: a.elsewhere,
		}}})
		time.AfterFunc(endSlack, func() { l.drop(errUnended) }) // does nothing after the link's end
	})
}
