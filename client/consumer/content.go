package consumer

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"bulkhead/client/block"
	"bulkhead/client/consumer/disk"
	"bulkhead/client/names"
	"bulkhead/client/neighbour"
	"bulkhead/client/verify"
	"bulkhead/internal/boottime"
	"bulkhead/internal/pathname"
	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// content is what a finished file is to read back as, and what is known of that. It
// belongs to the verifier once the file was handed over; readers look at its name, and at the file
// and the length of its target, which no longer change.
type content struct {
	name       string
	path       string          // where it is, if not in the consumer's folder
	of         *neighbour.File // another client's; nil if it is not
	target     verify.Target
	read       bool      // to the end, or as far as there was time
	unreadable bool      // it cannot be opened, or not be read as a file
	checked    time.Time // when it was read last
	corrupt    []span    // where it was found corrupt, at most maxCorruptions; guarded by saying
	omitted    uint64    // blocks beyond those, in the worst reading; guarded by saying
}

// loadFile is one file being written, and what its phases took.
type loadFile struct {
	disk.File
	turn
	stage      *stage // in which it was opened, or its last chunk was written
	name       string
	target     uint64 // bytes it is to have
	written    uint64 // bytes of whole chunks written so far
	end        uint64 // where the chunk that reaches furthest ends
	had        uint64 // bytes of the generation before
	allocated  bool   // it may have bytes behind end that were not written
	chunks     uint64
	unsynced   uint64    // bytes since the last fdatasync
	firstWrite time.Time // zero before the first write
	creating   time.Duration
	writing    time.Duration
	syncing    time.Duration
	closing    time.Duration
	partial    bool
	cut        bool // partial because the budget is spent or its stage is over, not because the end is due
}

// rollover returns the message that the file is closed.
func (f *loadFile) rollover(t *task) *bulkheadv1.Rollover {
	path, raw := pathname.Wire(filepath.Join(t.folder, f.name))
	return &bulkheadv1.Rollover{
		Path:               path,
		PathBytes:          raw,
		FileIndex:          f.number,
		SizeBytes:          f.end,
		ChunkSizeBytes:     uint64(t.chunkSize),
		Chunks:             f.chunks,
		FirstWriteUnixNano: f.firstWrite.UnixNano(),
		CreateNano:         int64(f.creating),
		WriteNano:          int64(f.writing),
		SyncNano:           int64(f.syncing),
		CloseNano:          int64(f.closing),
		Verification:       bulkheadv1.Verification_VERIFICATION_OFF,
		Partial:            f.partial,
		Generation:         f.generation,

		FirstWriteElapsedNano: boottime.At(f.firstWrite),
	}
}

// finished is a file that is closed.
type finished struct {
	turn
	rollover *bulkheadv1.Rollover
	closed   time.Time
}

// finished returns what the verifier needs to know of a file that was just closed.
func (w *writer) finished(f *loadFile) *finished {
	c := &content{name: f.name, target: verify.Target{File: w.task.blockFile(f), Written: f.end}}
	if f.partial && w.task.random {
		c.target.Unfinished = true // chunks may be missing anywhere
	}
	f.content = c
	return &finished{turn: f.turn, rollover: f.rollover(w.task), closed: time.Now()}
}

// wholeContent returns what a new file of the largest size is to read back as, if it is whole.
// So nothing needs to be kept of it.
func (t *task) wholeContent(number uint64) *content {
	f := &loadFile{turn: turn{number: number, generation: 1}, target: t.maxFile}
	return &content{name: names.LoadFile(number), target: verify.Target{File: t.blockFile(f), Written: t.maxFile}}
}

// span is a part of a file, in bytes.
type span struct{ from, to uint64 }

// learn adds a span to those found corrupt, and returns how many bytes of it were not
// among them. It is joined to those that it touches.
func (c *content) learn(s span) (news uint64) {
	news = s.to - s.from
	for _, k := range c.corrupt { // which do not overlap
		if from, to := max(k.from, s.from), min(k.to, s.to); from <= to {
			news -= to - from
			s = span{min(s.from, k.from), max(s.to, k.to)}
		}
	}
	if news == 0 {
		return 0
	}
	c.corrupt = slices.DeleteFunc(c.corrupt, func(k span) bool { return k.from >= s.from && k.to <= s.to })
	if len(c.corrupt) == maxCorruptions {
		return 0
	}
	c.corrupt = append(c.corrupt, s)
	return news
}

// say counts the blocks of a file that are wrong and were not known to be, and says
// where they are, maxCorruptions times in all. It returns whether anything is wrong.
func (v *verifier) say(c *content, r verify.Result) (bad bool) {
	v.saying.Lock()
	defer v.saying.Unlock()
	left, fresh := r.Corrupt, uint64(0)
	for _, f := range r.Faults {
		left -= f.Blocks
		news := c.learn(span{f.Offset, f.Offset + f.Length})
		if news == 0 {
			continue
		}
		fresh += (news + block.Size - 1) / block.Size
		if v.told < maxCorruptions {
			v.told++
			v.queue.putCorruption(v.corruption(c, f))
		}
	}
	if left > c.omitted {
		fresh += left - c.omitted
		c.omitted = left
	}
	if fresh == 0 {
		return r.Corrupt > 0
	}
	v.ledger.corrupt(fresh)
	if v.task.stopAtOnce {
		v.failed(fmt.Errorf("%w: %d corrupt blocks in %s", errVerify, fresh, v.path(c)))
	}
	return true
}

func (v *verifier) path(c *content) string {
	return cmp.Or(c.path, filepath.Join(v.task.folder, c.name))
}

func (v *verifier) corruption(c *content, f block.Fault) *bulkheadv1.Corruption {
	path, raw := pathname.Wire(v.path(c))
	said := &bulkheadv1.Corruption{
		Path: path, PathBytes: raw, FileIndex: c.target.File.Number, OffsetBytes: f.Offset, LengthBytes: f.Length,
		Kind: bulkheadv1.CorruptionKind(f.Damage), Expected: pathname.Text(f.Expected), Found: pathname.Text(f.Found),
	}
	if c.of != nil {
		said.OwnerId = c.of.Of.ID[:]
		said.OwnerName = pathname.Clip(c.of.Of.Name, protocol.MaxNameBytes)
		said.OwnerHost = pathname.Clip(c.of.Of.Host, protocol.MaxHostBytes)
	}
	return said
}
