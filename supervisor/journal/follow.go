package journal

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"bulkhead/internal/ownfile"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Follower reads a journal while it is written. It takes no lock, is never waited for
// by the writer, and delivers every record once it is whole in the file, which with
// SyncBatch may be a moment before it is durable. It is not safe for concurrent use.
type Follower struct {
	Short Shortening // may be nil; set before Next

	dir    string
	number int      // of the segment, from 1
	start  int64    // journal bytes before the segment
	file   *os.File // nil before it is there
	offset int64    // of the next record; 0 before the header was read
	buf    *bufio.Reader
	data   []byte // of the last record, to be used again
	last   Mark   // behind the last record delivered
}

// Follow begins at the first record of the journal in dir, which need not be there yet.
func Follow(dir string) *Follower {
	return &Follower{dir: dir, number: 1, buf: bufio.NewReaderSize(nil, readBufferBytes)}
}

// FollowFrom begins at the record behind a mark.
func FollowFrom(dir string, from Mark) *Follower {
	f := Follow(dir)
	if from != (Mark{}) {
		f.number, f.start, f.offset, f.last = from.Segment, from.Bytes-from.Offset, from.Offset, from
	}
	return f
}

// At returns the mark behind the last record that was delivered, or that it began behind.
func (f *Follower) At() Mark { return f.last }

// Close lets go of the journal.
func (f *Follower) Close() error {
	if f.file == nil {
		return nil
	}
	return f.file.Close()
}

// Next calls fn with the records that have come since the last call, in order, until
// they are, with the headers of segments, most bytes long or more; more says that there may be others already. fn may
// keep the record; its error ends Next, which may then not be called again.
//
// A record that is not whole is waited for, unless the journal continues behind it: then
// Next returns a CorruptError.
func (f *Follower) Next(most int64, fn func(*bulkheadv1.Record) error) (more bool, err error) {
	for read := int64(0); ; {
		// Asked before the end of this segment is looked for: once the next one is
		// there nothing is added to this.
		complete, err := f.exists(f.number + 1)
		if err != nil {
			return false, err
		}
		n, why, err := f.segment(most-read, fn)
		read += n
		switch {
		case err != nil:
			return false, err
		case read >= most:
			return true, nil
		case !complete:
			return false, nil
		case why != "":
			return false, &CorruptError{Position{segmentName(f.number), f.offset},
				why + ", and more of the journal follows"}
		}
		f.start += f.offset
		f.file.Close() // read only: nothing can be lost
		f.file, f.offset = nil, 0
		f.number++
	}
}

func (f *Follower) exists(number int) (bool, error) {
	_, err := os.Lstat(filepath.Join(f.dir, segmentName(number)))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("following journal: %w", err)
	}
	return true, nil
}

// segment delivers records of the current segment. why says what is wrong at the
// place where it stops, or is "" at the end of the file and at most.
func (f *Follower) segment(most int64, fn func(*bulkheadv1.Record) error) (read int64, why string, err error) {
	at := f.offset
	size, why, err := f.open()
	if why != "" || err != nil {
		return 0, why, err
	}
	read = f.offset - at // the header, if this is the first look at the segment
	f.buf.Reset(io.NewSectionReader(f.file, f.offset, size-f.offset))
	header := make([]byte, frameBytes)
	for f.offset < size && read < most {
		var broken *breakage
		f.data, broken, err = readRecord(f.buf, header, f.data[:0], size-f.offset)
		if err != nil {
			return read, "", fmt.Errorf("following %v: %w", Position{segmentName(f.number), f.offset}, err)
		}
		if broken != nil {
			return read, broken.why, nil
		}
		rec, err := decode(f.data, Position{segmentName(f.number), f.offset}, f.Short)
		if err != nil {
			return read, "", err
		}
		f.last = segment{number: f.number, start: f.start}.behind(header, f.offset)
		length := frameBytes + int64(len(f.data))
		f.offset += length
		read += length
		if err := fn(rec); err != nil {
			return read, "", err
		}
	}
	return read, "", nil
}

// open opens the segment, if that is still to be done, checks its header and returns
// how long it is now. why says that it is not there, or its header is not.
func (f *Follower) open() (size int64, why string, err error) {
	name := segmentName(f.number)
	if f.file == nil {
		f.file, err = ownfile.Peek(filepath.Join(f.dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			return 0, "file is missing", nil
		}
		if err != nil {
			return 0, "", fmt.Errorf("following journal: %w", err)
		}
	}
	info, err := f.file.Stat()
	if err != nil {
		return 0, "", fmt.Errorf("following journal: %w", err)
	}
	if f.offset > 0 {
		return info.Size(), "", nil
	}
	broken, err := checkHeader(f.file, segment{name: name, start: f.start, size: info.Size()})
	if err != nil {
		return 0, "", err
	}
	if broken != nil {
		return 0, broken.why, nil
	}
	f.offset = headerBytes
	return info.Size(), "", nil
}
