package consumer

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// errNothingTaken is a write call that took no byte and gave no reason.
var errNothingTaken = errors.New("the kernel took no byte and gave no reason")

// writeChunk writes one chunk, in one call unless the kernel takes less, and forces it
// to storage if it is time. It allocates nothing.
func (w *writer) writeChunk(f *loadFile, offset uint64, size int) error {
	data := w.source.Chunk(offset, size)
	w.some = 0
	took, err := w.writeDirect(f, offset, data)
	if err != nil {
		w.budget.Return(size - w.some)
		w.stage.failed(size - w.some)
		return err
	}
	w.ledger.wrote(size, took)
	w.stage.wrote()
	f.writing += took
	f.written += uint64(size)
	f.end = max(f.end, offset+uint64(size))
	f.chunks++
	now := w.clock.now()
	w.yield(now)
	if err := w.claim.wrote(uint64(size), f.target-f.written, now); err != nil {
		return err
	}
	return w.syncChunk(f, size)
}

// yieldEvery is less than the 10 ms after which Go's runtime takes a goroutine for one
// that does not let others run.
const yieldEvery = 5 * time.Millisecond

// yielder is a goroutine that does nothing but system calls.
type yielder struct{ yielded time.Duration }

// yield lets the runtime schedule this goroutine anew, now and then. A goroutine that
// does nothing but system calls is never scheduled otherwise: after 10 ms the runtime
// preempts it, and from then on takes the processor from it in nearly every call
// (retake in runtime/proc.go, Go 1.26), which costs a thread's wake-up each time and, with O_DIRECT,
// half as much processor time again as the writing.
func (y *yielder) yield(now time.Duration) {
	if now-y.yielded >= yieldEvery {
		y.yielded = now
		runtime.Gosched()
	}
}

// writeDirect writes data as it is opened for. With O_DIRECT, what a file has beyond
// the last whole unit goes through the page cache.
func (w *writer) writeDirect(f *loadFile, offset uint64, data []byte) (time.Duration, error) {
	rest := uint64(len(data)) % w.unit
	if rest == 0 {
		return w.write(f, offset, data)
	}
	whole := uint64(len(data)) - rest
	took, err := w.write(f, offset, data[:whole])
	if err != nil {
		return took, err
	}
	start := w.gauge.enter()
	err = f.SetDirect(false)
	took += w.gauge.leave(start)
	if err == nil {
		var tail time.Duration
		tail, err = w.write(f, offset+whole, data[whole:])
		took += tail
	}
	if err != nil {
		w.wroteSome(int(whole))
		return took, err
	}
	start = w.gauge.enter()
	err = f.SetDirect(true) // at random, other chunks follow the last one
	return took + w.gauge.leave(start), err
}

// write passes data to the kernel until it has taken everything.
func (w *writer) write(f *loadFile, offset uint64, data []byte) (took time.Duration, err error) {
	written := 0
	for written < len(data) {
		start := w.gauge.enter()
		n, err := f.Write(data[written:], offset+uint64(written))
		took += w.gauge.leave(start)
		if err == nil && n <= 0 {
			err = fmt.Errorf("write %s/%s: %w", w.task.folder, f.name, errNothingTaken)
		}
		if err != nil {
			w.wroteSome(written)
			return took, err
		}
		written += n
	}
	return took, nil
}

// wroteSome enters the bytes of a chunk that could not be completed.
func (w *writer) wroteSome(bytes int) {
	w.some += bytes
	w.ledger.wroteSome(bytes)
}

// syncChunk forces a file to storage after a chunk of that size, if it is time.
func (w *writer) syncChunk(f *loadFile, size int) error {
	switch w.stage.sync {
	case bulkheadv1.SyncPolicy_SYNC_POLICY_CHUNK:
	case bulkheadv1.SyncPolicy_SYNC_POLICY_BYTES:
		f.unsynced += uint64(size)
		if f.unsynced < w.stage.syncBytes {
			return nil
		}
		f.unsynced = 0
	default:
		return nil
	}
	return w.sync(f, f.Datasync)
}
