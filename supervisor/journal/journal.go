package journal

import (
	"context"
	"errors"
	"fmt"
	"math"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// MaxRecordBytes is the largest encoded record that a journal takes.
const MaxRecordBytes = maxPayloadBytes - beginBytes

// Journal is what a supervisor needs of the record of its run.
type Journal interface {
	// Append adds records, in order and next to each other, and returns nil once all
	// of them are durable. It does not keep recs, which must not change until it
	// returns. Calls of one goroutine keep their order; those of several are ordered
	// as they happen to arrive. A crash may keep the first few records of one Append
	// and lose the rest.
	//
	// A ctx that ends makes Append return early with an error wrapping ctx.Err(). It
	// does not unwrite: the records may become durable all the same.
	//
	// A record that cannot be encoded, is empty or is larger than MaxRecordBytes is
	// refused, with all of recs, and harms nothing. After a write or sync error this
	// and every later Append returns an error wrapping ErrFailed and the cause; after
	// Close, ErrClosed.
	Append(ctx context.Context, recs ...*bulkheadv1.Record) error

	// Close finishes the appends that have reached the writer, syncs, and lets go of
	// the journal. It returns the error that failed the journal, if any; called again
	// it returns the same.
	Close() error
}

// Sync says when appended records are forced to storage.
type Sync int

const (
	// SyncBatch acknowledges after an fsync: records survive the machine's crash.
	SyncBatch Sync = iota
	// SyncNone acknowledges after the write: records survive the supervisor's death
	// but not the machine's. Segments are still synced when they are full and at Close.
	SyncNone
)

// Options set up a writer. The zero value is ready to use.
type Options struct {
	// Sync is SyncBatch unless set.
	Sync Sync
	// SegmentBytes is the size from which on a segment is full and the next one is
	// begun; 0 means that none ever is. A segment may be longer by one Append.
	SegmentBytes int64
	// ReserveBytes of the file system are set aside in the journal's folder, no more than
	// an eighth of what is free; 0 is none. When the file system is full they are given
	// back, and the journal continues with them.
	ReserveBytes int64
	// Read is behind the last record that the caller of Open has read already: Open does not read
	// it again. The zero value is the begin.
	Read Mark
	// Full, if not nil, is called when a reserve was given back, with the error that made it
	// so. It is called by the writer and must not wait for an Append.
	Full func(error)
	// Unreserved, if not nil, is called with the reason when nothing could be set aside.
	Unreserved func(error)
}

// resolve fills in the defaults.
func (o Options) resolve() (Options, error) {
	if o.Sync != SyncBatch && o.Sync != SyncNone {
		return o, fmt.Errorf("journal options: sync %d is neither SyncBatch nor SyncNone", o.Sync)
	}
	if o.SegmentBytes < 0 {
		return o, fmt.Errorf("journal options: segment size %d is negative", o.SegmentBytes)
	}
	if o.ReserveBytes < 0 {
		return o, fmt.Errorf("journal options: reserve of %d bytes is negative", o.ReserveBytes)
	}
	if o.Full == nil {
		o.Full = func(error) {}
	}
	if o.Unreserved == nil {
		o.Unreserved = func(error) {}
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = math.MaxInt64
	}
	return o, nil
}

var (
	// ErrFailed is wrapped by every Append after a write or sync error.
	ErrFailed = errors.New("journal has failed")
	// ErrClosed is returned by Append after Close.
	ErrClosed = errors.New("journal is closed")
	// ErrLocked says that another writer has the journal.
	ErrLocked = errors.New("journal is in use by another writer")
	// ErrExists says that Create found a journal in the folder.
	ErrExists = errors.New("folder already holds a journal")
	// ErrNoJournal says that a folder holds no segment.
	ErrNoJournal = errors.New("folder holds no journal")
	// ErrVersion says that a segment was written in a format this program does not know.
	ErrVersion = errors.New("journal format version is not known")
	// ErrCorrupt is wrapped by every CorruptError.
	ErrCorrupt = errors.New("journal is corrupt")
)

// CorruptError is damage that no crash explains. It wraps ErrCorrupt.
type CorruptError struct {
	Position
	// Why says what is wrong, for a person.
	Why string
}

// Error names the segment, the offset and the damage.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("%v: %v: %s", ErrCorrupt, e.Position, e.Why)
}

// Unwrap makes errors.Is(err, ErrCorrupt) true.
func (e *CorruptError) Unwrap() error { return ErrCorrupt }

// Position is a place in a journal.
type Position struct {
	// Segment is the file name of the segment.
	Segment string
	// Offset is in bytes from the start of the segment.
	Offset int64
}

// String returns the position for people: "00000001.seg at byte 16".
func (p Position) String() string {
	return fmt.Sprintf("%s at byte %d", p.Segment, p.Offset)
}

// Torn is the tail of a last segment that holds no valid record, or only some of a write that is
// not whole: see the package's comment.
type Torn struct {
	Position
	// Bytes is the length of the tail; 0 for a segment file that was only created.
	Bytes int64
	// Why says what is wrong with it, for a person. It ends in MayBeAcknowledged if
	// Damaged.
	Why string
	// Damaged says that the tail is not only cut short: a record of full length with a
	// wrong checksum, zeros, or garbage. Records in it may have been acknowledged. Else
	// it is the beginning of one that never was, or the rest of a write that never was.
	Damaged bool
}

// MayBeAcknowledged ends what is said of a tail that is damaged, and not only cut short.
// A crash of the machine can leave such a tail of what was never acknowledged, when
// blocks were written out of order; a flipped bit leaves one of what was. Programs go by
// Damaged and SupervisorRestarted.torn_damaged; of records before these they look for the words.
const MayBeAcknowledged = "this end is damaged, not only cut short, and may have been acknowledged"

// LostAcknowledged is the cause that a supervisor gives a session or a handler that was
// acknowledged what the journal no longer has: the proof that a tail was. Programs go by the
// records' lost_acknowledged; of records before that they look for the words.
const LostAcknowledged = "the journal lost acknowledged records"

// String returns what is torn, for a person.
func (t Torn) String() string {
	word := "torn"
	if t.Damaged {
		word = "damaged"
	}
	return fmt.Sprintf("%v: %d bytes %s: %s", t.Position, t.Bytes, word, t.Why)
}
