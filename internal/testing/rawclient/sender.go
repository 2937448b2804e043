package rawclient

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// ErrLost says that the supervisor has forgotten what it had acknowledged, or claims
// what was never sent.
var ErrLost = errors.New("acknowledged messages are lost")

// SenderConfig says what a Sender sends.
type SenderConfig struct {
	Hello *bulkheadv1.Hello
	// Addr is where the supervisor is, or several of a run are, separated by commas: each connection goes to the
	// next one.
	Addr string
	// TLS is how it speaks TLS; nil is not at all.
	TLS *tls.Config
	// Number goes into every message, so that none can pass for another's.
	Number uint32
	// Batch is how many messages a batch has, and Window how many batches may be on
	// their way; 1 each.
	Batch, Window uint64
	// Padding makes every message that many bytes longer; at most 4096.
	Padding int
	// Poison is the number of a message that breaks with a segmentation violation
	// every handler that decodes it, if its program has failpoints; 0 is none.
	Poison uint64
	// Every is the shortest time between two batches; 0 is as short as can be.
	Every time.Duration
	// AckTimeout is how long a batch may go without its ack, and a Hello without
	// its Welcome, before the connection counts as dead; 0 is for ever.
	AckTimeout time.Duration
	// Again is how long to wait before another connection when the supervisor does
	// not say; 20 ms.
	Again time.Duration
}

// Sender is a scripted client that sends batches all the time and connects again
// as the same client when its connection is gone. Message n is always the same, so
// how far it came is an exact log of what it sent.
type Sender struct {
	cfg     SenderConfig
	stop    chan struct{} // closed by Finish
	once    sync.Once
	done    chan struct{} // closed at the end
	tries   int           // belongs to Run
	drained chan struct{} // closed by the first Drain
	drain   sync.Once

	mu      sync.Mutex
	sent    uint64        // guarded by mu; highest number ever sent
	swells  []swell       // guarded by mu; by number
	acked   uint64        // guarded by mu; highest number ever acknowledged
	locals  []string      // guarded by mu; this side's address of each connection with a Welcome
	ends    []error       // guarded by mu; how each connection but the last ended
	changed chan struct{} // guarded by mu; closed and replaced when something changes
	err     error         // written before done is closed
}

// swell says how much longer the messages from a number on are.
type swell struct {
	from    uint64
	padding int
}

// NewSender makes a Sender; Run lets it begin.
func NewSender(cfg SenderConfig) *Sender {
	cfg.Batch, cfg.Window = max(1, cfg.Batch), max(1, cfg.Window)
	if cfg.Again == 0 {
		cfg.Again = 20 * time.Millisecond
	}
	return &Sender{
		cfg: cfg, stop: make(chan struct{}), done: make(chan struct{}),
		drained: make(chan struct{}), changed: make(chan struct{}), swells: []swell{{1, cfg.Padding}},
	}
}

// Swell sets the padding of all messages that were not sent yet; at most 4096 bytes.
func (s *Sender) Swell(padding int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.swells = append(s.swells, swell{s.sent + 1, padding})
}

// padding returns how much longer message seq is.
func (s *Sender) padding(seq uint64) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, sw := range s.swells {
		if sw.from <= seq {
			n = sw.padding
		}
	}
	return n
}

// Name returns the client's name.
func (s *Sender) Name() string { return s.cfg.Hello.GetName() }

// ID returns the client's id.
func (s *Sender) ID() string { return string(s.cfg.Hello.GetClientId()) }

// WindowMessages returns how many messages may be on their way.
func (s *Sender) WindowMessages() uint64 { return s.cfg.Batch * s.cfg.Window }

// Run sends until Finish, then says Goodbye, and returns nil when that was answered.
// It returns an error when the supervisor ends the session, when it has lost
// messages (ErrLost), or when ctx is done.
func (s *Sender) Run(ctx context.Context) error {
	defer close(s.done)
	s.err = s.run(ctx)
	return s.err
}

func (s *Sender) run(ctx context.Context) error {
	for {
		err := s.connection(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("given up: %w", context.Cause(ctx))
		}
		wait, again := s.retry(err)
		if !again {
			return err
		}
		s.note(func() { s.ends = append(s.ends, err) })
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
		}
	}
}

// errMute says that a connection fell silent.
var errMute = errors.New("no answer in time")

// retry reports whether, and after how long, to connect again after err.
func (s *Sender) retry(err error) (time.Duration, bool) {
	if errors.Is(err, errMute) {
		return 0, true
	}
	st, ok := status.FromError(err)
	if !ok || st.Code() != codes.Unavailable && st.Code() != codes.DeadlineExceeded {
		return 0, false
	}
	for _, d := range st.Details() {
		if info, ok := d.(*errdetails.RetryInfo); ok {
			return info.GetRetryDelay().AsDuration(), true
		}
	}
	return s.cfg.Again, true
}

// connection carries the load over one connection to its Goodbye, which is nil.
func (s *Sender) connection(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var opts []grpc.DialOption
	if s.cfg.TLS != nil {
		opts = append(opts, grpc.WithTransportCredentials(credentials.NewTLS(s.cfg.TLS)))
	}
	addrs := strings.Split(s.cfg.Addr, ",")
	s.tries++
	c, err := Dial(ctx, addrs[(s.tries-1)%len(addrs)], opts...)
	if err != nil {
		return status.Error(codes.Unavailable, err.Error())
	}
	defer c.Close()
	watch := s.watchdog(cancel)
	defer watch.Stop()
	w, err := c.Greet(s.cfg.Hello)
	if err != nil {
		return s.muteOr(ctx, err)
	}
	from := w.GetResumeAfter()
	s.mu.Lock()
	acked, sent := s.acked, s.sent
	s.mu.Unlock()
	if from < acked || from > sent {
		return fmt.Errorf("%w: resuming after %d; %d were acknowledged and %d sent", ErrLost, from, acked, sent)
	}
	s.note(func() { s.acked, s.locals = from, append(s.locals, c.Addr()) })
	return s.muteOr(ctx, s.pump(ctx, c, from, watch))
}

// watchdog gives a connection up whose answers take too long. It is reset at every
// answer, and stopped while none is due.
func (s *Sender) watchdog(cancel context.CancelCauseFunc) *time.Timer {
	if s.cfg.AckTimeout == 0 {
		t := time.NewTimer(0)
		t.Stop()
		return t
	}
	return time.AfterFunc(s.cfg.AckTimeout, func() { cancel(errMute) })
}

func (s *Sender) feed(watch *time.Timer, waiting bool) {
	switch {
	case s.cfg.AckTimeout == 0:
	case waiting:
		watch.Reset(s.cfg.AckTimeout)
	default:
		watch.Stop()
	}
}

func (s *Sender) muteOr(ctx context.Context, err error) error {
	if err != nil && errors.Is(context.Cause(ctx), errMute) {
		return errMute
	}
	return err
}

// pump sends batches as the window and the pace allow.
func (s *Sender) pump(ctx context.Context, c *Client, sent uint64, watch *time.Timer) error {
	acks, broken := make(chan uint64), make(chan error, 1)
	go func() { broken <- s.receive(ctx, c, acks) }() // ends with ctx or the stream
	pace := time.NewTicker(max(s.cfg.Every, time.Nanosecond))
	defer pace.Stop()
	acked, stop := sent, s.stop
	s.feed(watch, false)
	for {
		if stop == nil && acked == sent {
			return s.bye(c, sent, acks, broken, watch)
		}
		var room <-chan time.Time
		if stop != nil && sent-acked <= s.cfg.Batch*(s.cfg.Window-1) {
			room = pace.C
		}
		select {
		case acked = <-acks:
			s.feed(watch, acked < sent)
			s.noteAck(acked)
		case err := <-broken:
			return err
		case <-stop:
			stop = nil
		case <-room:
			if sent == acked {
				s.feed(watch, true)
			}
			s.note(func() { s.sent = max(s.sent, sent+s.cfg.Batch) })
			if c.Send(s.frame(sent+1, sent+s.cfg.Batch)) != nil {
				return s.rest(acks, broken) // Send only says that there is something to receive
			}
			sent += s.cfg.Batch
		}
	}
}

// bye sends Goodbye and waits for its answer.
func (s *Sender) bye(c *Client, last uint64, acks <-chan uint64, broken <-chan error, watch *time.Timer) error {
	s.feed(watch, true)
	_ = c.Send(&bulkheadv1.ClientFrame{
		Frame: &bulkheadv1.ClientFrame_Goodbye{Goodbye: &bulkheadv1.Goodbye{LastSeq: last}}})
	if err := s.rest(acks, broken); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// rest takes what is still received, and returns how the stream ended.
func (s *Sender) rest(acks <-chan uint64, broken <-chan error) error {
	for {
		select {
		case acked := <-acks:
			s.noteAck(acked)
		case err := <-broken:
			return err
		}
	}
}

func (s *Sender) noteAck(acked uint64) { s.note(func() { s.acked = max(s.acked, acked) }) }

// receive passes acknowledgements on until the stream ends, and returns how.
func (s *Sender) receive(ctx context.Context, c *Client, acks chan<- uint64) error {
	for {
		f, err := c.Recv()
		if err != nil {
			return err
		}
		if f.GetDrain() != nil {
			s.drain.Do(func() { close(s.drained) })
		}
		if a := f.GetAck(); a != nil {
			select {
			case acks <- a.GetSeq():
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

func (s *Sender) note(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	close(s.changed)
	s.changed = make(chan struct{})
}

// Finish lets the load end in order: everything acknowledged, then Goodbye.
func (s *Sender) Finish() { s.once.Do(func() { close(s.stop) }) }

// Drained returns a channel that is closed when the supervisor has asked for a drain.
func (s *Sender) Drained() <-chan struct{} { return s.drained }

// Done returns a channel that is closed when Run has ended.
func (s *Sender) Done() <-chan struct{} { return s.done }

// Progress is how far the Sender is.
type Progress struct {
	// Sent and Acked are the highest message numbers sent and acknowledged.
	Sent, Acked uint64
	// Locals are this side's addresses of the connections that got a Welcome, and
	// Ends how all connections but the last ended.
	Locals []string
	Ends   []error
	// Ended says that Run has returned, and Err what.
	Ended bool
	Err   error
}

// Progress returns how far the Sender is now.
func (s *Sender) Progress() Progress {
	p, _ := s.progress()
	return p
}

func (s *Sender) progress() (Progress, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := Progress{Sent: s.sent, Acked: s.acked, Locals: append([]string(nil), s.locals...),
		Ends: append([]error(nil), s.ends...)}
	select {
	case <-s.done:
		p.Ended, p.Err = true, s.err
	default:
	}
	return p, s.changed
}

// Await waits until what says so, the end of Run, or the deadline.
func (s *Sender) Await(within time.Duration, what string, so func(Progress) bool) error {
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	for {
		p, changed := s.progress()
		if so(p) {
			return nil
		}
		if p.Ended {
			return fmt.Errorf("client %s ended (%v) before: %s; %d of %d messages acknowledged", s.Name(), p.Err, what,
				p.Acked, p.Sent)
		}
		select {
		case <-changed:
		case <-s.done:
		case <-deadline.C:
			return fmt.Errorf("client %s: not in %s: %s; %d of %d messages acknowledged, connections ended with %v",
				s.Name(), within, what, p.Acked, p.Sent, p.Ends)
		}
	}
}

// AwaitEnd waits until Run has returned, whatever it returned, or the deadline.
func (s *Sender) AwaitEnd(within time.Duration) error {
	t := time.NewTimer(within)
	defer t.Stop()
	select {
	case <-s.done:
		return nil
	case <-t.C:
		return fmt.Errorf("client %s does not end within %s", s.Name(), within)
	}
}

// GoesOn waits until everything that may be on its way now, and a batch sent after
// it, is acknowledged.
func (s *Sender) GoesOn(within time.Duration) error {
	goal := s.Progress().Sent + s.cfg.Batch
	return s.Await(within, "it continues", func(p Progress) bool { return p.Acked >= goal })
}

// frame returns the batch of messages first to last.
func (s *Sender) frame(first, last uint64) *bulkheadv1.ClientFrame {
	return &bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Batch{Batch: s.Messages(first, last)}}
}

// Messages returns the messages first to last, always the same once they were sent.
func (s *Sender) Messages(first, last uint64) *bulkheadv1.Batch {
	b := &bulkheadv1.Batch{}
	for seq := first; seq <= last; seq++ {
		if seq == s.cfg.Poison {
			b.Messages = append(b.Messages, &bulkheadv1.Message{
				Seq: seq, TimeUnixNano: int64(seq),
				Process: &bulkheadv1.Process{Kind: bulkheadv1.ProcessKind_PROCESS_KIND_CONSUMER, Index: s.cfg.Number,
					Pid: int32(s.cfg.Number)},
				Fact: &bulkheadv1.Message_Rollover{Rollover: &bulkheadv1.Rollover{Path: "/FAULT:segv"}},
			})
			continue
		}
		b.Messages = append(b.Messages, &bulkheadv1.Message{
			Seq: seq, TimeUnixNano: int64(seq),
			Process: &bulkheadv1.Process{Kind: bulkheadv1.ProcessKind_PROCESS_KIND_CONSUMER, Index: s.cfg.Number,
				Pid: int32(s.cfg.Number)},
			Fact: &bulkheadv1.Message_Progress{Progress: &bulkheadv1.Progress{
				Bytes: uint64(s.cfg.Number)<<32 | seq, Chunks: seq, LastError: strings.Repeat("x", s.padding(seq)),
			}},
		})
	}
	return b
}
