package cluster

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Run is the journal of one run, as one supervisor sees it. Its methods may be called at the same
// time.
type Run interface {
	// Supervisor is the number of this supervisor in the run, from 1; a supervisor that is started
	// again has another one.
	Supervisor() uint32

	// Connection returns a connection id that nobody else in the run has, greater than those before
	// it of this supervisor. The ids of different supervisors say nothing about which is newer: the
	// head does.
	Connection() uint64

	// Open takes a client's session from whoever has it, and numbers the session of a client that is
	// new. When it returns, every Log of the session that was opened before, here or elsewhere, has
	// lost it. The Head is the one that the session's next record continues; its Session is 0 never.
	//
	// It returns ErrEnded for a new client of a run that takes none anymore, and ErrUnavailable when
	// it did not come to an end in time: then it may have taken the session, and may be called again.
	Open(ctx context.Context, h Hello) (Log, Head, error)

	// Note makes facts of no session durable, in order. It returns ErrUnavailable, ErrFailed, ErrEnded
	// or ErrRefused, as Log.Append does.
	Note(ctx context.Context, recs ...*bulkheadv1.Record) error

	// Census counts.
	Census(ctx context.Context) (Census, error)

	// Heads returns the head of every session that has not ended, with the id of its client.
	Heads(ctx context.Context) iter.Seq2[Found, error]

	// Seal lets no new client in, from now on and anywhere. Again it is harmless, and so is another
	// supervisor that does it at the same time.
	Seal(ctx context.Context) error

	// End is the end of the run: nothing that comes later is of it. It returns ErrEnded when the run
	// has its end already, and ErrOpen when it is not sealed or a session has not ended.
	End(ctx context.Context, e *bulkheadv1.RunEnded) error

	// Records returns the records of the run in their canonical order, which is the same whoever
	// reads: up to RunEnded if the run has ended, and else up to some record of each session that was
	// acknowledged as the call began.
	Records(ctx context.Context) iter.Seq2[*bulkheadv1.Record, error]

	// Close lets go of the run, which continues without this supervisor.
	Close() error
}

// Log is one session's part of the journal, for the one who has the session. One goroutine uses it.
type Log interface {
	// Append makes records durable, in order and next to each other, with the head that is behind the
	// last of them. Head's Session, Epoch and Supervisor are the log's to set. Records without a date
	// are dated now. A crash may keep the first few of the records and lose the rest; the head that is
	// then found is behind the last that was kept.
	//
	// It returns nil when all are durable, or one of these:
	//
	//   - ErrMoved: another has the session. Nothing of recs will be acknowledged to anybody by this
	//     log, now or later; the connection is to be dropped, and its client told to go elsewhere.
	//   - ErrUnavailable: not now. Nobody knows what of recs is durable. Try the same records with the
	//     same head again, and nothing else, until the answer is another one.
	//   - ErrEnded: the run has its end, or the session has and recs has messages.
	//   - ErrRefused: these records can never be appended; nothing was. Others can.
	//   - ErrFailed: the journal is lost, for everybody.
	Append(ctx context.Context, h Head, recs ...*bulkheadv1.Record) error

	// Opened returns the record that the session began with.
	Opened(ctx context.Context) (*bulkheadv1.SessionOpened, error)

	// Release forgets the session, which stays as it is until somebody opens it.
	Release()
}

var (
	// ErrMoved says that another supervisor, or another Log of this one, has the session.
	ErrMoved = errors.New("the session has moved")
	// ErrUnavailable says that the journal cannot be reached, or does not answer, for now.
	ErrUnavailable = errors.New("the journal is not available now")
	// ErrFailed says that the journal is lost.
	ErrFailed = errors.New("the journal has failed")
	// ErrEnded says that the run, or the session, has its end already.
	ErrEnded = errors.New("the run has ended")
	// ErrOpen says that the run cannot end yet: somebody has to seal it, or to end a session.
	ErrOpen = errors.New("the run is still open")
	// ErrRefused says that records are such that no journal takes them.
	ErrRefused = errors.New("the journal refuses the records")
)

// Hello is who wants a session.
type Hello struct {
	// Client is the client's id: 1 to 32 bytes.
	Client []byte
	// Opened becomes the session's first record if the client is new, with the session's number in
	// it, and "s" and that number as its id if it has none. It is the Run's from then on. Nil stands
	// for one that has nothing but the client's id.
	Opened *bulkheadv1.SessionOpened
}

// FirstOf returns what the first record of a new session holds, whose number is given.
func (h Hello) FirstOf(session uint32) *bulkheadv1.SessionOpened {
	opened := h.Opened
	if opened == nil {
		opened = &bulkheadv1.SessionOpened{SessionId: hex.EncodeToString(h.Client),
			Hello: &bulkheadv1.Hello{ClientId: h.Client}}
	}
	opened.Session = session
	if opened.GetSessionId() == "" {
		opened.SessionId = fmt.Sprintf("s%d", session)
	}
	return opened
}

// Head is what another supervisor must know of a session to take it: it goes with each record.
type Head struct {
	// Session is the session's number in the run.
	Session uint32
	// Epoch counts how often the session was opened, and Supervisor who did it last.
	Epoch      uint64
	Supervisor uint32
	// Connection is that of the last attachment, and Attaches how many there were.
	Connection uint64
	Attaches   uint32
	// Durable is the sequence number of the last message that is in the journal.
	Durable uint64
	Phase   bulkheadv1.SessionState
	// Poison are the handlers that died on what follows message PoisonAfter.
	Poison      uint32
	PoisonAfter uint64
	// State is what else a processor wants to find, in a form of its own: at most MaxStateBytes.
	State []byte
}

// MaxStateBytes bounds Head.State.
const MaxStateBytes = 16 << 10

// Ended reports whether the session has its outcome.
func (h Head) Ended() bool { return Ended(h.Phase) }

// Ended reports whether a session in a state has its outcome.
func Ended(s bulkheadv1.SessionState) bool {
	switch s {
	case bulkheadv1.SessionState_SESSION_STATE_CLOSED, bulkheadv1.SessionState_SESSION_STATE_LOST,
		bulkheadv1.SessionState_SESSION_STATE_REJECTED, bulkheadv1.SessionState_SESSION_STATE_QUARANTINED:
		return true
	default:
		return false
	}
}

// Found is a session that Heads found.
type Found struct {
	Client []byte
	// Head is that of the session's newest record; one that nobody has appended to yet has no Epoch.
	Head Head
}

// Enrolled is a client that has a session, and the session's number.
type Enrolled struct {
	Client []byte
	Number uint32
}

// Census is how many sessions a run has.
type Census struct {
	// Supervisors have come, in all.
	Supervisors uint32
	// Joined is how many clients have a session, and Open how many of these have no end.
	Joined, Open uint32
	// Sealed says that no new client is let in anymore.
	Sealed bool
	// Ended says that the run has its end.
	Ended bool
}

// The parts of a connection id.
const (
	supervisorBits = 12
	counterBits    = 40
	// MaxSupervisor is the highest number of a supervisor.
	MaxSupervisor = 1<<supervisorBits - 1
	// MaxCounter is the highest number of a supervisor's connection.
	MaxCounter = 1<<counterBits - 1
)

// ConnectionID returns the id of a supervisor's connection. A run with one supervisor that never had
// another one before it numbers its connections from 1: its number is 0 here.
func ConnectionID(supervisor uint32, counter uint64) uint64 {
	return uint64(supervisor&MaxSupervisor)<<counterBits | counter&MaxCounter
}

// ConnectionOf returns the parts of a connection id.
func ConnectionOf(id uint64) (supervisor uint32, counter uint64) {
	return uint32(id >> counterBits & MaxSupervisor), id & MaxCounter
}
