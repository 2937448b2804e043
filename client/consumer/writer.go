package consumer

import (
	"errors"
	"fmt"
	"time"
)

// errNothingTaken is a write call that took no byte and gave no reason.
var errNothingTaken = errors.New("the kernel took no byte and gave no reason")

// writer writes file after file until the end has begun. It belongs to one
// goroutine.
type writer struct {
	task     *task
	disk     disk
	pool     *pool
	gauge    *gauge
	ledger   *ledger
	queue    *queue
	rotation *rotation
	ending   *ending

	stopOnError bool
	next        uint64 // number of the next file
}

// run writes until the end has begun and then removes the files, unless they
// are to be kept. After a failure it pauses, for longer each time in a row, or ends
// and returns it if that is what the consumer is to do.
func (w *writer) run() (failure error) {
	failures := 0
	for !w.ending.hasBegun() && failure == nil {
		err := w.step()
		if err == nil {
			failures = 0
			continue
		}
		w.ledger.failed(err)
		if w.stopOnError {
			failure = fmt.Errorf("stopped at its first error, as on_error says: %w", err)
			continue
		}
		failures++
		w.ending.pause(retry.After(failures, 0))
	}
	if w.task.keep {
		return failure
	}
	for _, err := range w.rotation.removeAll() {
		w.ledger.failed(err)
	}
	return failure
}

// step writes one file. It begins none while there is one to be removed, so
// that a folder in which nothing can be removed does not fill up.
func (w *writer) step() error {
	if err := w.rotation.trim(); err != nil {
		return err
	}
	f, err := w.create()
	if err != nil {
		return err
	}
	if err := w.fill(f); err != nil {
		w.discard(f)
		return err
	}
	if f.chunks == 0 || w.ending.isAbandoned() {
		w.discard(f) // never began, or there is nobody to tell
		return nil
	}
	return w.finish(f)
}

// create makes the next file. A number is used once, whether it works or not.
func (w *writer) create() (*loadFile, error) {
	f := &loadFile{number: w.next, path: w.task.filePath(w.next)}
	w.next++
	start := w.gauge.enter()
	opened, err := w.disk.create(f.path)
	f.creating = w.gauge.leave(start)
	if err != nil {
		return nil, err
	}
	f.file = opened
	w.rotation.begin(f.number)
	return f, nil
}

// fill writes chunks until the file has its size, or the end is due; then the
// file is partial.
func (w *writer) fill(f *loadFile) error {
	f.firstWrite = time.Now()
	for f.size < w.task.fileSize {
		if w.ending.isDue() {
			f.partial = true
			return nil
		}
		size := min(uint64(w.task.chunkSize), w.task.fileSize-f.size)
		if err := w.writeChunk(f, w.pool.next(int(size))); err != nil {
			return err
		}
	}
	return nil
}

// writeChunk writes one chunk, in one call unless the kernel takes less.
func (w *writer) writeChunk(f *loadFile, chunk []byte) error {
	var took time.Duration
	written := 0
	for written < len(chunk) {
		start := w.gauge.enter()
		n, err := f.write(chunk[written:])
		took += w.gauge.leave(start)
		if err == nil && n <= 0 {
			err = fmt.Errorf("write %s: %w", f.path, errNothingTaken)
		}
		if err != nil {
			w.ledger.wroteSome(written)
			return err
		}
		written += n
	}
	w.ledger.wrote(written, took)
	f.writing += took
	f.size += uint64(written)
	f.chunks++
	return nil
}

// finish syncs and closes a file, says so, and removes what is no longer kept. A
// partial file is not synced: the time to stop has come already.
func (w *writer) finish(f *loadFile) error {
	if w.task.sync && !f.partial {
		start := w.gauge.enter()
		err := f.sync()
		f.syncing = w.gauge.leave(start)
		if err != nil {
			w.discard(f)
			return err
		}
	}
	if err := w.close(f); err != nil {
		w.rotation.spoil()
		w.tidy()
		return err
	}
	w.rotation.finish()
	w.queue.putRollover(time.Now(), f.rollover(w.task.chunkSize), w.ending.abandoned)
	return w.rotation.trim()
}

// discard closes and removes a file that will not be finished. What fails is
// counted; the next step tries the removal again.
func (w *writer) discard(f *loadFile) {
	if err := w.close(f); err != nil {
		w.ledger.failed(err)
	}
	w.rotation.spoil()
	w.tidy()
}

// tidy is a trim on the way out of another failure.
func (w *writer) tidy() {
	if err := w.rotation.trim(); err != nil {
		w.ledger.failed(err)
	}
}

func (w *writer) close(f *loadFile) error {
	start := w.gauge.enter()
	err := f.close()
	f.closing = w.gauge.leave(start)
	return err
}
