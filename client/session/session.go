package session

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"bulkhead/client/outbox"
	"bulkhead/client/spec"
	"bulkhead/internal/reason"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Session keeps the client connected to the supervisor and delivers the outbox.
// Connections come and go; the session is one.
type Session struct {
	way *Way
	// tokenFile has the token that hello presents, anew for each connection; "" if hello has it.
	tokenFile string
	// hello introduces the client: with the run that the session is of, once it is known.
	hello          *bulkheadv1.Hello // run's goroutine's alone
	outbox         *outbox.Outbox
	connectTimeout time.Duration // until the first Welcome
	// AwayTimeout is how long the session may be without a connection after the
	// first Welcome; 0 is without limit.
	AwayTimeout time.Duration
	// Continues says that a session whose run the supervisor does not have continues in the
	// current one.
	Continues bool
	log       *slog.Logger
	vitals    *vitals

	Welcomed chan struct{} // closed by the first Welcome
	Drained  chan struct{} // closed by the first Drain
	Asked    atomic.Bool   // a Hello is out on the connection of now

	gathering              *gathering
	measuring              atomic.Bool // see Measure
	welcomeOnce, drainOnce sync.Once
	// First is the first Welcome; read it after Welcomed is closed.
	First *bulkheadv1.Welcome
	// local and remote are the addresses of the connection of First; read them after Welcomed is
	// closed.
	local, remote string
	// DrainFrame is the first Drain; read it after Drained is closed.
	DrainFrame *bulkheadv1.Drain
	// The rest is run's goroutine's alone.

	// lastEnd is how the last connection that was welcomed ended; nil before.
	lastEnd *connectionEnd
	// aside is what was said last of an address that did not serve while there were others.
	aside string
	// told is how much of the time that the client did not run was told already.
	told, telling time.Duration
	// Newest is the last Welcome, and moves are the runs that the session has left; read
	// them after run has returned.
	Newest *bulkheadv1.Welcome
	Moves  []Move
	// goodbyeSent says that a Goodbye went out on a connection that has ended.
	goodbyeSent bool
}

// New returns a session with the supervisor of cfg, as the client that hello introduces, which
// delivers box. It begins with Run.
func New(cfg spec.Config, hello *bulkheadv1.Hello, box *outbox.Outbox) *Session {
	return &Session{
		way: NewWay(cfg.Supervisor, cfg.TLS, cfg.TokenFile != "" || hello.GetToken() != "",
			hello.GetClientId(), cfg.FirstSupervisor),
		tokenFile:      cfg.TokenFile,
		hello:          proto.CloneOf(hello),
		outbox:         box,
		connectTimeout: cfg.ConnectTimeout,
		log:            cfg.Logger,
		vitals:         newVitals(time.Now()),
		Welcomed:       make(chan struct{}),
		Drained:        make(chan struct{}),
		gathering:      newGathering(),
	}
}

// Run keeps the session until Goodbye is answered, and returns nil then. Otherwise
// it returns when ctx is done, when the supervisor refuses the client, or when
// there was no Welcome in time, and says which.
func (s *Session) Run(ctx context.Context) error {
	watched, enough := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { s.vitals.run(watched) }) // ended by enough
	defer watch.Wait()
	defer enough()
	tries := newTries(s.connectTimeout, time.Now())
	for {
		far, err := s.connect(ctx, tries.patience(time.Now()))
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		next, over, err := s.after(far, err, tries.lost)
		if over {
			return err
		}
		s.ended(far, next.again)
		wait, late := tries.next(time.Now(), far, next.again, s.awayTimeout(), next.more, rand.Float64())
		if late {
			return s.unreachable(tries, s.way.over(next.again))
		}
		if !next.moved { // which was said
			s.say(tries, next, wait)
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// settle decides whether a final error is the expected end after all: a session
// that is over because the supervisor did take the Goodbye, whose answer was lost.
func (s *Session) settle(err error) error {
	var r Refusal
	over := errors.As(err, &r) && r.Status.Code() == codes.FailedPrecondition
	if over {
		why, _ := reason.Of(r.Status)
		over = why != bulkheadv1.Reason_REASON_RUN_UNKNOWN // which has nothing of it
	}
	if over && s.goodbyeSent && s.outbox.State().Drained {
		return nil
	}
	return err
}

// IsWelcomed reports whether there was a Welcome.
func (s *Session) IsWelcomed() bool {
	select {
	case <-s.Welcomed:
		return true
	default:
		return false
	}
}

func (s *Session) isDrained() bool {
	select {
	case <-s.Drained:
		return true
	default:
		return false
	}
}

// Ends returns the addresses, without ports, of the connection with the first Welcome: of this
// machine and of the supervisor's. It is for after Welcomed is closed.
func (s *Session) Ends() (local, remote string) { return s.local, s.remote }

// ipOf returns an address without port and zone; "" if it has none.
func ipOf(of net.Addr) string {
	if tcp, ok := of.(*net.TCPAddr); ok {
		return tcp.IP.String()
	}
	return ""
}

// welcome takes note of a Welcome, which came over a socket.
func (s *Session) welcome(w *bulkheadv1.Welcome, over net.Conn) {
	again := true
	s.told, s.telling = s.telling, 0
	s.Newest, s.hello.LastConnection = w, w.GetConnection()
	s.gathers(w)
	s.way.learn(w.GetSupervisors())
	if run := w.GetRunId(); s.hello.GetRunId() != run {
		again = len(s.Moves) == 0
		s.hello.RunId = run
		if err := s.outbox.Introduce(s.hello); err != nil {
			s.log.Error(err.Error())
		}
		if !again {
			s.log.Info("connected to supervisor "+s.way.At()+" in another run", "run", run, "session", w.GetSessionId())
		}
	}
	s.welcomeOnce.Do(func() {
		again = false
		s.First = w
		s.local, s.remote = ipOf(over.LocalAddr()), ipOf(over.RemoteAddr())
		s.log.Info("connected to supervisor "+s.way.At(), "run", w.GetRunId(), "session", w.GetSessionId())
		close(s.Welcomed)
	})
	if again {
		s.log.Info("connected to supervisor "+s.way.At()+" again", "resume_after", w.GetResumeAfter())
	}
}

// drain takes note of a Drain.
func (s *Session) drain(d *bulkheadv1.Drain) {
	s.drainOnce.Do(func() {
		s.DrainFrame = drainOf(d)
		s.log.Info("supervisor asks for the end", "reason", s.DrainFrame.GetReason())
		close(s.Drained)
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
