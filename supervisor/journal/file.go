package journal

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// pooledBytes is the largest buffer an Append keeps for the next one.
const pooledBytes = 1 << 20

// File is the journal kept in a folder of files. Its methods may be called from any
// number of goroutines.
type File struct {
	lock   *os.File
	writer *writer
	pool   sync.Pool // of *request that nobody else holds

	closeOnce sync.Once
	closeErr  error
}

var _ Journal = (*File)(nil)

// Create begins a journal in dir, which it makes (not its parent) if it is not there.
// It returns an error wrapping ErrExists when dir holds a journal already, and ErrLocked
// when another writer is about to begin one.
func Create(dir string, o Options) (*File, error) {
	return create(dir, o, folder(dir))
}

func create(dir string, o Options, d disk) (*File, error) {
	o, err := o.resolve()
	if err != nil {
		return nil, err
	}
	if err := makeFolder(dir); err != nil {
		return nil, err
	}
	lock, err := lockFolder(dir)
	if err != nil {
		return nil, err
	}
	w, err := firstSegment(dir, o, d)
	if err != nil {
		lock.Close() // it holds nothing but the lock
		return nil, err
	}
	return start(lock, w), nil
}

// firstSegment makes the first segment of a journal and makes it durable.
func firstSegment(dir string, o Options, d disk) (*writer, error) {
	numbers, err := segmentNumbers(dir)
	if err != nil {
		return nil, err
	}
	if len(numbers) > 0 {
		return nil, fmt.Errorf("creating journal in %s: %w", dir, ErrExists)
	}
	w := newWriter(dir, o, d)
	err = w.begin(1, 0)
	if err == nil {
		if err = w.file.Sync(); err == nil {
			if err := w.reserve.take(o.ReserveBytes); err != nil {
				o.Unreserved(err)
			}
			return w, nil
		}
		err = fmt.Errorf("syncing %s: %w", w.name(), err)
	}
	if w.file != nil { // leave nothing that looks like a journal; err matters more
		w.file.Close()
		os.Remove(filepath.Join(dir, w.name()))
	}
	return nil, fmt.Errorf("creating journal: %w", err)
}

// start sets a writer to work.
func start(lock *os.File, w *writer) *File {
	w.acked.Store(w.start + w.size)
	if w.sync == SyncBatch && w.disk.gains() == nil {
		w.runway.start() // the writer closes it
	}
	go w.run() // ends when Close closes w.closing; Close waits for it
	return &File{lock: lock, writer: w}
}

// Acknowledged returns how many bytes the journal has up to the last record that an Append
// has returned for, headers and all.
func (f *File) Acknowledged() int64 { return f.writer.acked.Load() }

// Append implements Journal.
func (f *File) Append(ctx context.Context, recs ...*bulkheadv1.Record) error {
	if len(recs) == 0 {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("appending to journal: %w", err)
	}
	req, err := f.encode(recs)
	if err != nil {
		return fmt.Errorf("appending to journal: %w", err)
	}
	select {
	case f.writer.requests <- req:
	case <-f.writer.closing:
		f.release(req)
		return ErrClosed
	case <-ctx.Done():
		f.release(req)
		return fmt.Errorf("appending to journal: %w", ctx.Err())
	}
	select {
	case err := <-req.done:
		f.release(req)
		return err
	case <-ctx.Done():
		// The writer still holds req; it is left to the garbage collector.
		return fmt.Errorf("appending to journal: %w (the records may be durable all the same)", ctx.Err())
	}
}

// encode frames recs into a request.
func (f *File) encode(recs []*bulkheadv1.Record) (*request, error) {
	req, ok := f.pool.Get().(*request)
	if !ok {
		req = &request{done: make(chan error, 1)}
	}
	req.frames = req.frames[:0]
	for i, rec := range recs {
		var err error
		if req.frames, err = appendFrame(req.frames, rec, f.writer.sync == SyncBatch); err != nil {
			f.release(req)
			return nil, fmt.Errorf("record %d of %d: %w", i+1, len(recs), err)
		}
	}
	return req, nil
}

// release returns a request that the writer has answered, or never had, to the pool.
func (f *File) release(req *request) {
	if cap(req.frames) <= pooledBytes {
		f.pool.Put(req)
	}
}

// Close implements Journal.
func (f *File) Close() error {
	f.closeOnce.Do(func() {
		close(f.writer.closing)
		<-f.writer.stopped
		f.closeErr = cmp.Or(f.writer.failure, f.writer.kept)
		if err := f.lock.Close(); err != nil && f.closeErr == nil {
			f.closeErr = fmt.Errorf("closing journal: %w", err)
		}
	})
	return f.closeErr
}
