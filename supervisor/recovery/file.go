package recovery

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"google.golang.org/protobuf/proto"

	"bulkhead/internal/failpoint"
	"bulkhead/internal/frame"
	"bulkhead/internal/ownfile"
	"bulkhead/internal/wholefile"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/journal"
)

// The files of checkpoints beside the segments of a journal, and how a new one begins.
const (
	File    = "checkpoint"
	OldFile = "checkpoint.old"
)

// files are the names of the checkpoints of a journal, the newest first.
var files = [...]string{File, OldFile}

const (
	magic = "BHCP"
	// version is that of the form and of the fold: a checkpoint of another is not used, but for those from
	// oldest on, which lack nothing but what olderThan looks for, and, before version 9, the agents that have
	// joined a run while it went on.
	version = 9
	staged  = 8
	oldest  = 6
	// maxPayload bounds a frame: a session is its client's Hello, and little more.
	maxPayload = 2 * journal.MaxRecordBytes
)

var errBroken = errors.New("it is damaged")

// encode writes the checkpoint of a past behind a mark.
func encode(w io.Writer, past *Past, at journal.Mark) error {
	out := bufio.NewWriter(w)
	head := binary.LittleEndian.AppendUint32([]byte(magic), version)
	if _, err := out.Write(head); err != nil {
		return err
	}
	var buf []byte
	add := func(m proto.Message) (err error) {
		opts := proto.MarshalOptions{Deterministic: true}
		if buf, err = opts.MarshalAppend(append(buf[:0], make([]byte, frame.HeaderBytes)...), m); err != nil {
			return err
		}
		if len(buf)-frame.HeaderBytes > maxPayload {
			return fmt.Errorf("%d bytes in one frame, of at most %d", len(buf)-frame.HeaderBytes, maxPayload)
		}
		frame.Seal(buf)
		_, err = out.Write(buf)
		return err
	}
	if err := add(past.form(at)); err != nil {
		return err
	}
	for _, s := range past.InOrder() {
		if err := add(s.form()); err != nil {
			return err
		}
	}
	return out.Flush()
}

// decode reads a checkpoint of size bytes.
func decode(r io.Reader, size int64) (*Past, journal.Mark, error) {
	in := bufio.NewReader(r)
	var head [len(magic) + 4]byte
	if _, err := io.ReadFull(in, head[:]); err != nil || string(head[:len(magic)]) != magic {
		return nil, journal.Mark{}, fmt.Errorf("%w: it does not begin as a checkpoint", errBroken)
	}
	v := binary.LittleEndian.Uint32(head[len(magic):])
	if v < oldest || v > version {
		return nil, journal.Mark{}, fmt.Errorf("it is of version %d, and this program knows versions %d to %d", v,
			oldest, version)
	}
	left := size - int64(len(head))
	var buf []byte
	next := func(m proto.Message) error {
		var header [frame.HeaderBytes]byte
		if _, err := io.ReadFull(in, header[:]); err != nil {
			return fmt.Errorf("%w: cut short", errBroken)
		}
		left -= frame.HeaderBytes
		length := int64(frame.Length(header[:]))
		if length > maxPayload || length > left {
			return fmt.Errorf("%w: a frame of %d bytes", errBroken, length)
		}
		left -= length
		if int64(cap(buf)) < length {
			buf = make([]byte, length)
		}
		buf = buf[:length]
		if _, err := io.ReadFull(in, buf); err != nil {
			return fmt.Errorf("%w: cut short", errBroken)
		}
		if !frame.Matches(header[:], buf) {
			return fmt.Errorf("%w: a checksum is wrong", errBroken)
		}
		if proto.Unmarshal(buf, m) != nil { // its text differs from build to build
			return fmt.Errorf("%w: a frame does not decode", errBroken)
		}
		return nil
	}
	var c bulkheadv1.Checkpoint
	if err := next(&c); err != nil {
		return nil, journal.Mark{}, err
	}
	past, at := pastOf(&c)
	for range c.GetSessions() {
		var one bulkheadv1.CheckpointSession
		if err := next(&one); err != nil {
			return nil, journal.Mark{}, err
		}
		s, err := past.sessionOf(&one)
		if err == nil && v < staged {
			err = s.olderThan(staged)
		}
		if err != nil {
			return nil, journal.Mark{}, err
		}
		past.Sessions[s.Number] = s
	}
	if left != 0 {
		return nil, journal.Mark{}, fmt.Errorf("%w: %d bytes follow its end", errBroken, left)
	}
	for connection, h := range past.Open {
		if past.Sessions[h.Session] == nil {
			return nil, journal.Mark{}, fmt.Errorf("%w: connection %d of session %d, which it does not know",
				errImpossible, connection, h.Session)
		}
	}
	return past, at, nil
}

// olderThan returns why a session of a checkpoint before a version cannot be used; nil if it can. Version 7
// had journals on an engine as well, of which there are no checkpoints; version 8 has the stages that clients
// begin together, and when each was begun.
func (s *Session) olderThan(version int) error {
	if len(s.Hello.GetWorkload().GetStages()) == 0 && s.Total.Stage == 0 {
		return nil
	}
	return fmt.Errorf("session %d has stages, of which checkpoints before version %d do not say enough", s.Number,
		version)
}

// read reads the checkpoint in a file.
func read(path string) (*Past, journal.Mark, error) {
	f, err := ownfile.Peek(path)
	if err != nil {
		return nil, journal.Mark{}, err
	}
	defer f.Close() // read only: nothing can be lost
	info, err := f.Stat()
	if err != nil {
		return nil, journal.Mark{}, err
	}
	past, at, err := decode(f, info.Size())
	if err == nil && at == (journal.Mark{}) {
		err = fmt.Errorf("%w: no record before its end", errImpossible)
	}
	return past, at, err
}

// write writes the newest checkpoint of the journal in dir, and keeps the one before if that is
// whole. A program that is killed here leaves at least one that was there.
func write(dir string, past *Past, at journal.Mark, whole bool) error {
	newest, old := filepath.Join(dir, File), filepath.Join(dir, OldFile)
	if whole {
		if err := os.Rename(newest, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return wholefile.Write(newest, func(w io.Writer) error {
		if f, ok := w.(*os.File); ok {
			if err := f.Chmod(0o600); err != nil { // as the segments are
				return err
			}
		}
		err := encode(w, past, at)
		failpoint.Hit("supervisor/checkpoint-written")
		return err
	})
}

// Remove removes the checkpoints of the journal in dir, also one that was left half written. It
// is for a run that is reported: nobody resumes it.
func Remove(dir string) error {
	left, err := filepath.Glob(filepath.Join(dir, wholefile.Prefix+File+"-*"))
	for _, name := range files {
		left = append(left, filepath.Join(dir, name))
	}
	for _, path := range left {
		if gone := os.Remove(path); !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
	}
	return err
}
