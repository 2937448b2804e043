package journal

import (
	"errors"
	"io"

	"google.golang.org/protobuf/encoding/protowire"

	"bulkhead/internal/frame"
)

const (
	// resyncWindowBytes is how much of a segment is looked at in one go.
	resyncWindowBytes = 64 << 10
	// resyncBudgetBytes bounds the checksums computed in one search, to a few seconds;
	// each counts resyncLookBytes more for its system calls. Only bytes made to look like
	// the beginnings of records exhaust it.
	resyncBudgetBytes = 8 << 30
	resyncLookBytes   = 4 << 10
)

// errUndecided says that a search for a record was given up.
var errUndecided = errors.New("too many places look like a record")

// search looks for the valid records behind a breakage.
type search struct {
	f      io.ReaderAt
	end    int64 // records end at or before it
	budget int64 // bytes over which checksums may still be computed

	window, scratch []byte
}

// newSearch returns a search from an offset on.
func newSearch(f io.ReaderAt, from, end, budget int64) *search {
	window := min(resyncWindowBytes, max(end-from, 0))
	return &search{f: f, end: end, budget: budget, window: make([]byte, window), scratch: make([]byte, window)}
}

// next returns the offset of the first valid record that begins at or after from, or -1. A
// breakage may be in a length field, so a record is looked for at every byte, also inside of
// what may be the broken record's payload. It returns errUndecided when the budget is used up.
func (s *search) next(from int64) (int64, error) {
	const look = frameBytes + 1 // a frame and the first byte of its payload
	f, end, window := s.f, s.end, s.window
	for base := from; end-base >= look; {
		n, err := f.ReadAt(window[:min(int64(len(window)), end-base)], base)
		if err != nil && !endOfFile(err) {
			return -1, err
		}
		if n < look {
			return -1, nil // the file shrank
		}
		for i := 0; i+look <= n; i++ {
			at := base + int64(i)
			length := int64(frame.Length(window[i:]))
			if length == 0 || length > maxPayloadBytes || length > end-at-frameBytes || !tagByte(window[i+frameBytes]) {
				continue
			}
			if s.budget -= length + resyncLookBytes; s.budget < 0 {
				return -1, errUndecided
			}
			ok, err := validRecord(f, at, length, s.scratch)
			if err != nil {
				return -1, err
			}
			if ok {
				return at, nil
			}
		}
		base += int64(n - look + 1)
	}
	return -1, nil
}

// tagByte reports whether an encoded message can begin with b: some field's number and
// a wire type that exists. It spares most checksums.
func tagByte(b byte) bool {
	number, kind := protowire.DecodeTag(uint64(b & 0x7f))
	return (number > 0 || b >= 0x80) && kind <= protowire.Fixed32Type
}

// validRecord reports whether the record at offset at, with a payload of length bytes,
// has the right checksum.
func validRecord(f io.ReaderAt, at, length int64, scratch []byte) (bool, error) {
	var header [frameBytes]byte
	if _, err := f.ReadAt(header[:], at); err != nil {
		return false, unlessEnd(err)
	}
	check := frame.NewCheck(header[:])
	for done := int64(0); done < length; {
		n, err := f.ReadAt(scratch[:min(int64(len(scratch)), length-done)], at+frameBytes+done)
		if n == 0 {
			return false, unlessEnd(err)
		}
		check.Add(scratch[:n])
		done += int64(n)
	}
	return check.OK(), nil
}

// unlessEnd returns err, or nil when it only says that the file has ended.
func unlessEnd(err error) error {
	if endOfFile(err) {
		return nil
	}
	return err
}
