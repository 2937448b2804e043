package journal

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"

	"google.golang.org/protobuf/encoding/protowire"
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

// findRecord returns the offset of the first valid record that begins at or after from
// and ends at or before end, or -1. A breakage may be in a length field, so a record is
// looked for at every byte, also inside of what may be the broken record's payload.
// It returns errUndecided when that takes checksums over more than budget bytes.
func findRecord(f io.ReaderAt, from, end, budget int64) (int64, error) {
	const look = frameBytes + 1 // a frame and the first byte of its payload
	window := make([]byte, min(resyncWindowBytes, max(end-from, 0)))
	scratch := make([]byte, len(window))
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
			length := int64(binary.LittleEndian.Uint32(window[i:]))
			if length == 0 || length > MaxRecordBytes || length > end-at-frameBytes || !tagByte(window[i+frameBytes]) {
				continue
			}
			if budget -= length + resyncLookBytes; budget < 0 {
				return -1, errUndecided
			}
			ok, err := validRecord(f, at, length, scratch)
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
	var frame [frameBytes]byte
	if _, err := f.ReadAt(frame[:], at); err != nil {
		return false, unlessEnd(err)
	}
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Checksum(frame[:4], table)
	for done := int64(0); done < length; {
		n, err := f.ReadAt(scratch[:min(int64(len(scratch)), length-done)], at+frameBytes+done)
		if n == 0 {
			return false, unlessEnd(err)
		}
		sum = crc32.Update(sum, table, scratch[:n])
		done += int64(n)
	}
	return sum == binary.LittleEndian.Uint32(frame[4:]), nil
}

// unlessEnd is err, or nil when it only says that the file has ended.
func unlessEnd(err error) error {
	if endOfFile(err) {
		return nil
	}
	return err
}
