package outbox

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"bulkhead/internal/boottime"
	"bulkhead/internal/human"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

var (
	// errOutboxFull says that a message has no room in memory or spool; it was not
	// numbered and is not kept.
	errOutboxFull = errors.New("the spool is full")
	// errOutboxSealed says that a message came after the last one.
	errOutboxSealed = errors.New("the last message has already been added")
	// ErrCutOff says that everything was delivered, but that it is not the end.
	ErrCutOff = errors.New("what follows is missing")
)

// Outbox numbers the client's messages and keeps each until the supervisor says it
// is durable: in memory while they fit, in the spool file after that. It may be
// used by several goroutines; at most one of them takes batches.
//
// The messages it holds are acked+1 … last. The first len(memory) of these are in
// memory, the others in the spool, but for a last one that had no room there. Only messages in
// memory are sent, so memory is
// also the most that is in flight.
//
// Messages keep the numbers that they were given for the life of the client. A session
// that continues one of another run numbers them from 1: there each has its own number
// less base. What take, ack and resume say is in numbers of the session.
type Outbox struct {
	memoryMax int    // bytes; one message is kept in memory whatever its size
	spoolMax  int64  // bytes
	SpoolPath string // where the spool is made when it is first needed
	// Changed has an element whenever there may be something new to take.
	Changed chan struct{}

	// OnGap, if set, is called instead of an error when the supervisor does not know
	// what came before the messages here. The outbox is then empty, and last is what
	// the supervisor knows. Knowing more than is here is then no error either.
	OnGap func(GapError)

	mu sync.Mutex
	// Hello introduces the client in the spool file; it has no token.
	Hello       *bulkheadv1.Hello // guarded by mu
	memory      [][]byte          // guarded by mu; encoded messages
	memoryBytes int               // guarded by mu
	Spool       *Spool            // guarded by mu; nil until first needed
	acked       uint64            // guarded by mu; everything up to here is durable
	last        uint64            // guarded by mu; the last number given
	base        uint64            // guarded by mu; the session's message 1 follows this one
	taken       uint64            // guarded by mu; the last one that was ever taken in this session
	sent        int               // guarded by mu; of memory, on this connection
	inFlight    []uint64          // guarded by mu; last number of each batch sent and not acked
	batch       []said            // guarded by mu; Take's alone, empty between calls
	sealed      bool              // guarded by mu; nothing more is numbered
	final       []byte            // guarded by mu; the last message, when the spool had no room for it
	cut         bool              // guarded by mu; messages are missing behind the last one
	dropped     uint64            // guarded by mu; messages refused with errOutboxFull
	broken      error             // guarded by mu; the spool cannot be read, for good
}

// New returns an empty outbox of the client that says hello. Its spool, if it needs one, is a
// file at spoolPath.
func New(hello *bulkheadv1.Hello, memoryMax, spoolMax uint64, spoolPath string) *Outbox {
	introduction := proto.CloneOf(hello)
	introduction.Token, introduction.Instance = "", nil // another process will read it
	return &Outbox{
		Hello:     introduction,
		memoryMax: int(min(memoryMax, 1<<40)),
		spoolMax:  int64(min(spoolMax, 1<<60)),
		SpoolPath: spoolPath,
		Changed:   make(chan struct{}, 1),
	}
}

// FromSpool returns an outbox with messages of a spool file, those behind the first skip, and no
// room for others. They have the numbers that follow acked. It ends with the last of them, or
// behind it if cut, because messages are missing there. Closing the spool is the caller's.
func FromSpool(hello *bulkheadv1.Hello, s *Spool, skip, messages, acked uint64, cut bool) (*Outbox, error) {
	o := New(hello, resendMemory, 0, s.File.Name())
	s.read = s.start
	for range skip {
		if _, err := s.next(); err != nil {
			return nil, err
		}
	}
	o.Spool, o.acked, o.last = s, acked, acked+messages
	o.sealed, o.cut = !cut, cut
	if err := o.refill(); err != nil {
		return nil, err
	}
	return o, nil
}

// Add numbers a message, which becomes the outbox's, and keeps it. It returns
// errOutboxFull, errOutboxSealed, or an error of writing the spool; the message is
// then not numbered.
func (o *Outbox) Add(m *bulkheadv1.Message) error { return o.put(m, false) }

// AddLast adds the message that nothing may follow. It may exceed the spool's maximum
// size.
func (o *Outbox) AddLast(m *bulkheadv1.Message) error { return o.put(m, true) }

func (o *Outbox) put(m *bulkheadv1.Message, last bool) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.sealed {
		return errOutboxSealed
	}
	m.Seq = o.last + 1
	if m.TimeUnixNano == 0 {
		now := time.Now()
		m.TimeUnixNano, m.ElapsedNano = now.UnixNano(), boottime.At(now)
	}
	payload, err := proto.Marshal(m)
	if err != nil {
		return fmt.Errorf("encoding a message: %w", err)
	}
	if err := o.store(payload, last); err != nil {
		if !last {
			o.dropped++
			return err
		}
		o.final = payload // one message has room in memory, behind all that is in the spool
	}
	o.last++
	o.sealed = last
	o.signal()
	return nil
}

// store keeps an encoded message behind all others.
func (o *Outbox) store(payload []byte, force bool) error {
	spooled := o.Spool != nil && !o.Spool.empty()
	if !spooled && o.fits(len(payload)) {
		o.remember(payload)
		return nil
	}
	if o.Spool == nil {
		made, err := createSpool(o.SpoolPath, o.Hello, o.spoolMax)
		if err != nil {
			return err
		}
		o.Spool = made
	}
	err := o.Spool.append(payload, force)
	if errors.Is(err, errSpoolFull) {
		return fmt.Errorf("%w: %s holds %s", errOutboxFull, filepath.Base(o.SpoolPath),
			human.BriefSize(uint64(o.spoolMax)))
	}
	return err
}

func (o *Outbox) fits(size int) bool {
	return len(o.memory) == 0 || o.memoryBytes+size <= o.memoryMax
}

func (o *Outbox) remember(payload []byte) {
	o.memory = append(o.memory, payload)
	o.memoryBytes += len(payload)
}

// Take returns the frame of the next batch to send, or nil when there is nothing to send now: all is
// sent, or as many batches as the limits allow wait for their acks. Changed tells when to try again.
// The frame is the caller's. It returns an error if a message is larger than a frame may be, or the
// spool cannot be read.
func (o *Outbox) Take(limits *bulkheadv1.Limits) (Frame, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.broken != nil {
		return nil, o.broken
	}
	if o.sent == len(o.memory) || len(o.inFlight) >= int(limits.GetMaxUnackedBatches()) {
		return nil, nil
	}
	messages, bytes := o.batch[:0], 0
	for _, payload := range o.memory[o.sent:] {
		number := o.acked + uint64(o.sent+len(messages)) + 1
		message, err := saidAs(payload, number-o.base)
		if err != nil {
			return nil, err
		}
		longer := bytes + 1 + protowire.SizeBytes(message.size())
		if frame := frameSize(longer); frame > int(limits.GetMaxFrameBytes()) {
			if len(messages) == 0 {
				return nil, fmt.Errorf(
					"message %d needs a frame of %d bytes; the supervisor takes at most %d (session.max_frame)",
					number, frame, limits.GetMaxFrameBytes())
			}
			break
		}
		bytes = longer
		messages = append(messages, message)
		if len(messages) == int(limits.GetMaxBatchMessages()) {
			break
		}
	}
	o.sent += len(messages)
	o.inFlight = append(o.inFlight, o.acked+uint64(o.sent))
	o.taken = max(o.taken, o.acked+uint64(o.sent))
	frame := frameOf(messages, bytes)
	clear(messages) // what is acknowledged may go
	o.batch = messages[:0]
	return frame, nil
}

// Ack forgets every message up to and including seq. An ack that says nothing new
// is fine; one of a message that was not sent on this connection is an error.
func (o *Outbox) Ack(seq uint64) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if sent := o.acked + uint64(o.sent) - o.base; seq > sent {
		return fmt.Errorf("the supervisor acknowledged message %d, but only %d were sent", seq, sent)
	}
	return o.forget(seq + o.base)
}

// GapError says that a supervisor does not know messages that are no longer here.
type GapError struct{ After, Acked uint64 }

func (g GapError) Error() string {
	return fmt.Sprintf("the supervisor does not know messages %d to %d, which it had acknowledged; it has lost its "+
		"state, or is another one", g.After+1, g.Acked)
}

// Resume begins a new connection: everything up to and including after is durable,
// and the rest is sent again. It returns an error if the supervisor knows messages
// that were never said, and a GapError if it no longer knows some that it had
// acknowledged.
func (o *Outbox) Resume(after uint64) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case after > o.last && o.OnGap != nil:
		o.empty(after)
		return nil
	case after < o.acked && o.OnGap != nil:
		gap := GapError{After: after, Acked: o.acked}
		o.empty(after)
		o.sealed, o.cut = false, false
		o.OnGap(gap)
		return nil
	}
	if after > o.last-o.base {
		return fmt.Errorf("the supervisor wants to resume after message %d, but only %d were ever said", after,
			o.last-o.base)
	}
	if after < o.acked-o.base {
		return GapError{After: after, Acked: o.acked - o.base}
	}
	return o.rewind(after + o.base)
}

// rewind forgets everything up to and including seq, and has the rest sent again.
func (o *Outbox) rewind(seq uint64) error {
	o.sent, o.inFlight = len(o.memory), nil
	for o.acked < seq {
		step := min(seq, o.acked+uint64(len(o.memory)))
		if err := o.forget(step); err != nil {
			return err
		}
	}
	o.sent = 0
	o.signal()
	return nil
}

// Renumber begins a new session with the messages that are not durable in the one before,
// which knows those up to and including after. It returns the last message that the
// old session has, in its numbers, and how many the client has said up to there.
func (o *Outbox) Renumber(after uint64) (last, before uint64, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	after = min(max(after, o.acked-o.base), max(o.taken, o.acked)-o.base) // nobody has what was not sent
	if err := o.rewind(after + o.base); err != nil {
		return 0, 0, err
	}
	o.base, o.taken = o.acked, o.acked
	return after, o.base, nil
}

// Introduce sets who the client is from now on, for the spool file.
func (o *Outbox) Introduce(hello *bulkheadv1.Hello) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.Hello = proto.CloneOf(hello)
	o.Hello.Token, o.Hello.Instance, o.Hello.LastConnection = "", nil, 0 // another process will read it
	if o.Spool == nil || o.Spool.fixed {
		return nil
	}
	return o.Spool.introduce(o.Hello)
}

// empty forgets every message without having delivered it; the next number is the
// one after seq.
func (o *Outbox) empty(seq uint64) {
	o.memory, o.memoryBytes, o.Spool, o.final = nil, 0, nil, nil
	o.sent, o.inFlight = 0, nil
	o.acked, o.last = seq, seq
	o.signal()
}

// Seal marks the outbox as complete: nothing follows.
func (o *Outbox) Seal() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sealed = true
	o.signal()
}

// forget drops the messages up to seq, all of them in memory, and fills memory from
// the spool.
func (o *Outbox) forget(seq uint64) error {
	if seq <= o.acked {
		return nil
	}
	n := int(seq - o.acked)
	for i, payload := range o.memory[:n] {
		o.memoryBytes -= len(payload)
		o.memory[i] = nil
	}
	o.memory = o.memory[n:]
	o.sent = max(0, o.sent-n)
	o.acked = seq
	for len(o.inFlight) > 0 && o.inFlight[0] <= seq {
		o.inFlight = o.inFlight[1:]
	}
	o.broken = o.refill()
	o.signal()
	return o.broken
}

// refill moves messages from the spool to memory while they fit.
func (o *Outbox) refill() error {
	for o.Spool != nil && !o.Spool.empty() {
		size, err := o.Spool.peekSize()
		if err != nil {
			return err
		}
		if !o.fits(size) {
			return nil
		}
		payload, err := o.Spool.next()
		if err != nil {
			return err
		}
		o.remember(payload)
	}
	if o.final != nil {
		o.remember(o.final)
		o.final = nil
	}
	return nil
}

func (o *Outbox) signal() {
	select {
	case o.Changed <- struct{}{}:
	default: // the taker has not looked yet; one signal is enough
	}
}

// resendMemory is how many bytes of a spool are in memory, and so in flight, at
// once.
const resendMemory = 4 << 20
