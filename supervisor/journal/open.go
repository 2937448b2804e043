package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"bulkhead/internal/ownfile"
)

// Recovery is what Open found and did.
type Recovery struct {
	// Segments is the number of segment files.
	Segments int
	// Bytes is the length of the journal, headers and all, without the torn tail.
	Bytes int64
	// Torn is the torn tail that was cut off; nil when there was none.
	Torn *Torn
	// TornFile is the path of the file that now holds the torn tail; empty when the tail
	// had no bytes.
	TornFile string
}

// Open opens the journal in dir to append to it. When Open returns, everything that
// Replay delivers is durable, also what was written and not yet acknowledged when the
// last writer died.
//
// A torn tail is copied to a file "<segment>-<offset>.torn" beside the segment, then cut
// off, and is in Recovery. Open reads the last segment, from Options.Read on if that is in it,
// and the headers of the others; damage there is a CorruptError and nothing is changed. The other
// errors wrap ErrLocked, ErrNoJournal, ErrForeignMark, ErrVersion or what the system said.
func Open(dir string, o Options) (*File, Recovery, error) {
	return open(dir, o, folder(dir))
}

func open(dir string, o Options, d disk) (*File, Recovery, error) {
	o, err := o.resolve()
	if err != nil {
		return nil, Recovery{}, err
	}
	if _, err := listSegments(dir); err != nil {
		return nil, Recovery{}, err // before a lock file appears where no journal is
	}
	lock, err := lockFolder(dir)
	if err != nil {
		return nil, Recovery{}, err
	}
	w, found, err := recoverJournal(dir, o.Read, newWriter(dir, o, d))
	if why := err; err != nil && newReserve(dir).relieves(err) { // of the writer before
		w, found, err = recoverJournal(dir, o.Read, newWriter(dir, o, d))
		defer o.Full(why)
	}
	if err != nil {
		lock.Close() // it holds nothing but the lock
		return nil, Recovery{}, err
	}
	if err := w.reserve.take(o.ReserveBytes); err != nil {
		o.Unreserved(err)
	}
	return start(lock, w), found, nil
}

// recoverJournal puts w at the end of the journal in dir, after cutting off a torn tail.
func recoverJournal(dir string, read Mark, w *writer) (*writer, Recovery, error) {
	segments, err := listSegments(dir)
	if err != nil {
		return nil, Recovery{}, err
	}
	e, err := inspect(dir, read, segments)
	if err != nil {
		return nil, Recovery{}, err
	}
	last := segments[len(segments)-1]
	found := Recovery{Segments: len(segments), Torn: e.torn}
	w.number, w.start, w.size = len(segments), last.start, e.offset
	if e.torn != nil {
		if found.TornFile, err = setAside(dir, *e.torn); err != nil {
			return nil, Recovery{}, fmt.Errorf("keeping the torn tail of %s: %w", last.name, err)
		}
	}
	if err := w.resume(e.offset < last.size); err != nil {
		return nil, Recovery{}, fmt.Errorf("opening journal: %w", err)
	}
	found.Bytes = w.start + w.size
	return w, found, nil
}

// inspect reads what of the last segment is not read yet, and the headers of the others. It
// returns where the last one ends.
func inspect(dir string, read Mark, segments []segment) (e end, err error) {
	if err := read.check(dir, segments); err != nil {
		return end{}, err
	}
	for _, s := range segments {
		from, visit := int64(headerBytes), visitFunc(verify)
		switch {
		case !s.last:
			visit = nil
		case s.number == read.Segment:
			from = read.Offset
		}
		if e, err = readSegment(dir, s, from, visit); err != nil {
			return end{}, err
		}
	}
	return e, nil
}

// resume opens the segment, cuts it to size if there is a torn tail or zeros behind that, gives
// it a header if it has none, and makes it and its name durable.
func (w *writer) resume(longer bool) (err error) {
	if w.file, err = w.disk.open(w.name()); err != nil {
		return fmt.Errorf("opening %s: %w", w.name(), err)
	}
	defer func() {
		if err != nil {
			w.file.Close() // the error that matters is err
		}
	}()
	if longer {
		if err := w.file.Truncate(w.size); err != nil {
			return fmt.Errorf("cutting %s to %d bytes: %w", w.name(), w.size, err)
		}
	}
	if w.size == 0 {
		if err := w.writeHeader(); err != nil {
			return err
		}
	}
	if err := w.file.Sync(); err != nil {
		return fmt.Errorf("syncing %s: %w", w.name(), err)
	}
	if err := w.disk.sync(); err != nil {
		return fmt.Errorf("syncing the folder of %s: %w", w.name(), err)
	}
	w.runway.begin(w.file, w.size)
	return nil
}

// setAside copies a torn tail into a new file and returns its path. It never writes over
// an older one.
func setAside(dir string, t Torn) (path string, err error) {
	if t.Bytes == 0 {
		return "", nil
	}
	from, err := ownfile.Peek(filepath.Join(dir, t.Segment))
	if err != nil {
		return "", err
	}
	defer from.Close() // read only: nothing can be lost
	to, err := createTorn(dir, t)
	if err != nil {
		return "", err
	}
	_, err = io.Copy(to, io.NewSectionReader(from, t.Offset, t.Bytes))
	if err = errors.Join(err, to.Sync(), to.Close()); err != nil {
		os.Remove(to.Name()) // the segment still has it
		return "", err
	}
	return to.Name(), syncFolder(dir)
}

// createTorn creates the first free one of 00000001-16.torn, 00000001-16.2.torn, ….
func createTorn(dir string, t Torn) (*os.File, error) {
	stem := fmt.Sprintf("%s-%d", strings.TrimSuffix(t.Segment, SegmentSuffix), t.Offset)
	for n, name := 2, stem; ; n, name = n+1, fmt.Sprintf("%s.%d", stem, n) {
		f, err := os.OpenFile(filepath.Join(dir, name+".torn"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
}
