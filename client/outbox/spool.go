package outbox

import (
	"errors"
	"fmt"
	"io"
	"os"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"bulkhead/internal/frame"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// A spool file is a magic of 16 bytes that ends in the version of the format, then
// frames of internal/frame. The first payload is an encoded Hello, without the token; each further one is an
// encoded Message. So the file alone says whose messages these are. The Hello names the
// run of the session, and is written over when the client continues in another run; its
// padding keeps it as long as it was. The messages have the numbers that the client gave
// them; those of the session are less by Hello.continues.before.
const (
	spoolMagic = "BULKHEAD SPOOL 2"
	// FrameMaxBytes bounds what a reader allocates for one payload.
	FrameMaxBytes = 16 << 20
)

// errSpoolFull says that a payload does not fit under the spool's maximum size.
var errSpoolFull = errors.New("spool is full")

// Spool is a first-in first-out queue of payloads in a file, for one goroutine at
// a time. The file never grows beyond max, with its header: space that was read is won back by
// truncating when the queue is empty, and by moving the rest to the front when at
// least half of the messages was read. So half of max is always usable, and all of it
// while nothing was read.
//
// A spool is not synced as it is written: it outlives its process, not its
// machine.
type Spool struct {
	File  *os.File
	max   int64
	start int64 // offset of the first frame that holds a message
	// fixed leaves the file as it is: its messages are only read.
	fixed bool
	read  int64 // offset of the first frame not yet read
	write int64 // offset of the end of the last frame
}

// createSpool makes a spool of the client that says hello, in a new file at path
// that is locked for as long as the spool is open. max is in bytes.
func createSpool(path string, hello *bulkheadv1.Hello, max int64) (*Spool, error) {
	introduction, err := introduction(hello, proto.Size(hello)+headerSpareBytes)
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("creating the spool: %w", err)
	}
	header := frame.Append([]byte(spoolMagic), introduction)
	_, err = file.WriteAt(header, 0)
	if err = errors.Join(err, lockSpool(file)); err != nil {
		file.Close()
		os.Remove(path)
		return nil, fmt.Errorf("writing the header of spool %s: %w", path, err)
	}
	start := int64(len(header))
	return &Spool{File: file, max: max, start: start, read: start, write: start}, nil
}

// introduce writes another Hello over that in the header.
func (s *Spool) introduce(hello *bulkheadv1.Hello) error {
	first := int64(len(spoolMagic))
	payload, err := introduction(hello, int(s.start-first-frame.HeaderBytes))
	if err != nil {
		return err
	}
	if _, err := s.File.WriteAt(frame.Append(nil, payload), first); err != nil {
		return fmt.Errorf("writing the header of spool %s: %w", s.File.Name(), err)
	}
	return nil
}

const (
	// headerSpareBytes is what a Hello may grow by: a run, and a run and a client that it
	// continues.
	headerSpareBytes = 512
	// paddingField is a field that no Hello has.
	paddingField = 19998
)

// introduction returns a Hello that was padded to size bytes.
func introduction(hello *bulkheadv1.Hello, size int) ([]byte, error) {
	payload, err := proto.Marshal(hello)
	if err != nil {
		return nil, fmt.Errorf("encoding the header of the spool: %w", err)
	}
	const lengthBytes = 2 // also for a length that would do with one
	tag := protowire.AppendTag(nil, paddingField, protowire.BytesType)
	spare := size - len(payload) - len(tag) - lengthBytes
	if spare < 0 || spare >= 1<<14 {
		return nil, fmt.Errorf("the header of the spool has room for %d bytes, and who the client is takes %d", size,
			len(payload))
	}
	payload = append(append(payload, tag...), byte(spare)|0x80, byte(spare>>7))
	return append(payload, make([]byte, spare)...), nil
}

// empty reports whether everything written was read.
func (s *Spool) empty() bool { return s.read == s.write }

// append adds a payload at the end. It returns errSpoolFull when the payload does
// not fit; force writes it all the same.
func (s *Spool) append(payload []byte, force bool) error {
	size := frameBytes(payload)
	if s.write+size > s.max {
		if err := s.compact(); err != nil {
			return err
		}
	}
	if s.write+size > s.max && !force {
		return errSpoolFull
	}
	if _, err := s.File.WriteAt(frame.Append(nil, payload), s.write); err != nil {
		_ = s.File.Truncate(s.write) // else what was written of it is a damage behind a shorter frame
		return fmt.Errorf("writing to spool %s: %w", s.File.Name(), err)
	}
	s.write += size
	return nil
}

// peekSize returns the size of the next payload, in bytes. The spool must not be empty.
func (s *Spool) peekSize() (int, error) {
	var header [frame.HeaderBytes]byte
	if _, err := s.File.ReadAt(header[:], s.read); err != nil {
		return 0, fmt.Errorf("reading spool %s at offset %d: %w", s.File.Name(), s.read, err)
	}
	size := frame.Length(header[:])
	if int64(size) > s.write-s.read-frame.HeaderBytes {
		return 0, fmt.Errorf("reading spool %s at offset %d: a frame of %d bytes reaches past the end", s.File.Name(),
			s.read, size)
	}
	return int(size), nil
}

// next takes the first payload away. The spool must not be empty. When it was the
// last one, the file is truncated; where that fails it is only longer than it need be.
func (s *Spool) next() ([]byte, error) {
	payload, err := readFrame(io.NewSectionReader(s.File, s.read, s.write-s.read))
	if err != nil {
		return nil, fmt.Errorf("reading spool %s at offset %d: %w", s.File.Name(), s.read, err)
	}
	s.read += frameBytes(payload)
	if s.empty() {
		_ = s.truncate(s.start) // the payload is nowhere else now
	}
	return payload, nil
}

// compact moves what is left to the front of the file, unless that would move more
// bytes than were read since the last time. So each byte written is moved about once.
func (s *Spool) compact() error {
	left := s.write - s.read
	if s.read == s.start || left > s.read-s.start {
		return nil
	}
	to := io.NewOffsetWriter(s.File, s.start)
	if _, err := io.Copy(to, io.NewSectionReader(s.File, s.read, left)); err != nil {
		return fmt.Errorf("compacting spool %s: %w", s.File.Name(), err)
	}
	return s.truncate(s.start + left)
}

// truncate makes the file end at end, with everything in it unread.
func (s *Spool) truncate(end int64) error {
	if s.fixed {
		return nil
	}
	if err := s.File.Truncate(end); err != nil {
		return fmt.Errorf("truncating spool %s: %w", s.File.Name(), err)
	}
	s.read, s.write = s.start, end
	return nil
}

// copyRest writes the frames not yet read to w.
func (s *Spool) copyRest(w io.Writer) error {
	_, err := io.Copy(w, io.NewSectionReader(s.File, s.read, s.write-s.read))
	if err != nil {
		return fmt.Errorf("copying spool %s: %w", s.File.Name(), err)
	}
	return nil
}

// discard closes the spool and removes its file.
func (s *Spool) discard() error {
	return errors.Join(s.File.Close(), os.Remove(s.File.Name()))
}

// frameBytes returns the length of the frame of a payload.
func frameBytes(payload []byte) int64 { return int64(frame.HeaderBytes + len(payload)) }

// errTorn is wrapped by the errors of a frame that the end of the file cuts off.
var errTorn = errors.New("the file ends in the middle of it")

// readFrame reads one frame. It returns io.EOF at the end, and an error that says
// what is wrong with an incomplete (errTorn) or damaged frame.
func readFrame(r io.Reader) ([]byte, error) {
	var header [frame.HeaderBytes]byte
	if n, err := io.ReadFull(r, header[:]); errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("the header of a frame has %d of %d bytes: %w", n, frame.HeaderBytes, errTorn)
	} else if err != nil {
		return nil, err
	}
	size := frame.Length(header[:])
	if size > FrameMaxBytes {
		return nil, fmt.Errorf("a frame claims %d bytes, more than %d", size, FrameMaxBytes)
	}
	payload, err := io.ReadAll(io.LimitReader(r, int64(size)))
	if err != nil {
		return nil, err
	}
	if len(payload) < int(size) {
		return nil, fmt.Errorf("a frame has %d of %d bytes: %w", len(payload), size, errTorn)
	}
	if !frame.Matches(header[:], payload) {
		return nil, errors.New("a frame does not match its checksum")
	}
	return payload, nil
}
