package journal

import (
	"fmt"
	"io"
	"runtime"
	"sync/atomic"

	"bulkhead/internal/failpoint"
)

// groupBytes is how many bytes of waiting requests one write takes at most; a single
// larger request is written alone.
const groupBytes = 4 << 20

// request is one Append on its way through the writer.
type request struct {
	frames []byte
	// done has room for the one answer, so that the writer never waits for a caller.
	done chan error
}

// writer owns the segment being written. Its fields below the channels belong to the
// goroutine in run, and to Close once stopped is closed.
type writer struct {
	disk  disk
	sync  Sync
	limit int64 // a segment of this size is full
	full  func(error)

	reserve *reserve
	runway  *runway

	// requests is not buffered: what the writer has not taken was not written, and every
	// caller that waits is seen by gather.
	requests chan *request
	closing  chan struct{} // closed by File.Close
	stopped  chan struct{} // closed by run

	number  int          // of the segment, from 1
	start   int64        // journal bytes before the segment
	file    segmentFile  // nil when the next segment could not be made
	size    int64        // bytes of the segment that have been acknowledged
	acked   atomic.Int64 // start + size, for who is not the writer
	failure error        // sticky; wraps ErrFailed
	kept    error        // why the reserve could not be given back at the end

	group  []*request // being written
	joined []byte     // their frames, when there are several
}

func newWriter(dir string, o Options, d disk) *writer {
	return &writer{
		disk:     d,
		sync:     o.Sync,
		limit:    o.SegmentBytes,
		full:     o.Full,
		reserve:  newReserve(dir),
		runway:   newRunway(o.SegmentBytes),
		requests: make(chan *request),
		closing:  make(chan struct{}),
		stopped:  make(chan struct{}),
	}
}

// run answers requests until closing is closed.
func (w *writer) run() {
	defer close(w.stopped)
	defer w.finish()
	for {
		select {
		case req := <-w.requests:
			w.gather(req)
			w.answer(w.commit())
		case <-w.closing:
			return
		}
	}
}

// gather makes a group of first and of every request that is waiting, up to groupBytes
// and to the end of the segment.
func (w *writer) gather(first *request) {
	w.group = append(w.group[:0], first)
	room := min(groupBytes, w.limit-w.size) - int64(len(first.frames))
	// The callers answered last are runnable but may not have run yet: let them join. With
	// 8 callers on 2 processors this makes groups of 7 or 8 instead of 4.
	runtime.Gosched()
	for room > 0 {
		select {
		case req := <-w.requests:
			w.group = append(w.group, req)
			room -= int64(len(req.frames))
		default:
			return
		}
	}
}

// answer tells every caller of the group how it went, and forgets them.
func (w *writer) answer(err error) {
	for _, req := range w.group {
		req.done <- err
	}
	clear(w.group)
}

// commit writes the group and makes it durable. Its error is sticky.
func (w *writer) commit() error {
	if w.failure != nil {
		return w.failure
	}
	if w.size >= w.limit && w.size > headerBytes {
		if err := w.rollOver(); err != nil {
			return w.fail(err)
		}
	}
	frames := w.frames()
	if w.sync == SyncBatch {
		tellBegin(frames)
	}
	err := w.write(frames)
	if why := err; err != nil && w.reserve.relieves(err) {
		w.runway.stop() // what there is left is for records
		w.runway.leave(w.size)
		if err = w.file.Truncate(w.size); err == nil { // what was written of it, or not synced, is gone
			err = w.write(frames)
		}
		w.full(why)
	}
	if err != nil {
		return w.fail(err)
	}
	w.size += int64(len(frames))
	w.acked.Store(w.start + w.size)
	w.runway.wrote(len(frames))
	if cap(w.joined) > 2*groupBytes {
		w.joined = nil
	}
	return nil
}

// write adds frames to the segment and makes them durable. After an error the segment may
// hold a part of them.
func (w *writer) write(frames []byte) error {
	w.runway.claim(w.size + int64(len(frames)))
	if err := writeAll(w.file, frames); err != nil {
		return fmt.Errorf("writing %s: %w", w.name(), err)
	}
	failpoint.Hit("supervisor/after-write")
	if w.sync == SyncBatch {
		if err := w.file.Sync(); err != nil {
			return fmt.Errorf("syncing %s: %w", w.name(), err)
		}
	}
	failpoint.Hit("supervisor/after-fsync")
	return nil
}

// frames returns the frames of the whole group.
func (w *writer) frames() []byte {
	if len(w.group) == 1 {
		return w.group[0].frames
	}
	w.joined = w.joined[:0]
	for _, req := range w.group {
		w.joined = append(w.joined, req.frames...)
	}
	return w.joined
}

// rollOver closes the segment, all of it durable, and begins the next.
func (w *writer) rollOver() error {
	w.runway.leave(w.size) // no zeros lie there: none are written behind the limit
	if w.sync == SyncNone {
		if err := w.file.Sync(); err != nil {
			return fmt.Errorf("syncing %s: %w", w.name(), err)
		}
	}
	full := w.file
	w.file = nil
	if err := full.Close(); err != nil {
		return fmt.Errorf("closing %s: %w", w.name(), err)
	}
	number, start := w.number+1, w.start+w.size
	err := w.begin(number, start)
	if why := err; err != nil && w.reserve.relieves(err) {
		if w.file == nil { // it was not even made
			err = w.begin(number, start)
		} else if err = w.file.Truncate(0); err == nil {
			err = w.head()
		}
		w.full(why)
	}
	return err
}

// begin makes a segment, with its header, and makes its name durable. The header is
// durable with the first records, or by a Sync of the caller.
func (w *writer) begin(number int, start int64) error {
	file, err := w.disk.create(segmentName(number))
	if err != nil {
		return fmt.Errorf("creating %s: %w", segmentName(number), err)
	}
	w.file, w.number, w.start, w.size = file, number, start, 0
	if err := w.head(); err != nil {
		return err
	}
	w.runway.begin(file, w.size)
	return nil
}

// head gives the new, empty segment its header and makes its name durable.
func (w *writer) head() error {
	if err := w.writeHeader(); err != nil {
		return err
	}
	if err := w.disk.sync(); err != nil {
		return fmt.Errorf("syncing the folder of %s: %w", w.name(), err)
	}
	return nil
}

// writeHeader writes the header of an empty segment.
func (w *writer) writeHeader() error {
	if err := writeAll(w.file, encodeHeader(w.start)); err != nil {
		return fmt.Errorf("writing the header of %s: %w", w.name(), err)
	}
	w.size = headerBytes
	return nil
}

// fail makes err the journal's end and cuts off what was never acknowledged.
func (w *writer) fail(err error) error {
	w.failure = fmt.Errorf("%w: %w", ErrFailed, err)
	w.runway.stop()
	w.runway.leave(w.size)
	if w.file != nil {
		if err := w.file.Truncate(w.size); err != nil {
			w.failure = fmt.Errorf("%w (and the unacknowledged end was not cut off: %v)", w.failure, err)
		}
	}
	return w.failure
}

// finish lets go of the segment, and of the space in reserve, which the report may need.
func (w *writer) finish() {
	defer func() { w.kept = w.reserve.drop() }()
	w.runway.close()
	if w.file == nil {
		return
	}
	if w.runway.leave(w.size) && w.failure == nil {
		if err := w.cutZeros(); err != nil {
			w.fail(err)
		}
	}
	if w.failure == nil {
		if err := w.file.Sync(); err != nil {
			w.fail(fmt.Errorf("syncing %s: %w", w.name(), err))
		}
	}
	if err := w.file.Close(); err != nil && w.failure == nil {
		w.failure = fmt.Errorf("%w: closing %s: %w", ErrFailed, w.name(), err)
	}
}

// cutZeros cuts off what was zeroed ahead and not written. It is durable with the next Sync.
func (w *writer) cutZeros() error {
	if err := w.file.Truncate(w.size); err != nil {
		return fmt.Errorf("cutting the zeros off %s: %w", w.name(), err)
	}
	return nil
}

// name returns the file name of the segment.
func (w *writer) name() string { return segmentName(w.number) }

// writeAll writes all of p or returns an error.
func writeAll(f io.Writer, p []byte) error {
	n, err := f.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	return err
}
