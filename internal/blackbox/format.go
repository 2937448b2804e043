package blackbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A box is a header of four words in the byte order of the machine, then the frame's first bytes:
//
//	0  magic
//	4  state: idle or at work
//	8  length of the frame, which may be more than the box holds
//	12 reserved, 0
const (
	headerBytes = 16
	magic       = 0x58424b42 // "BKBX"

	stateIdle   = 0
	stateAtWork = 1

	magicAt, stateAt, lengthAt = 0, 4, 8
)

// ErrNotABox says that a file does not have the form of a box.
var ErrNotABox = errors.New("not a black box")

// Read reads a box that may be written at the same time, or by somebody hostile. It
// returns the frame, cut off at room bytes, and whether the writer is or was at work
// on it; a writer that is idle leaves no frame. It returns ErrNotABox, wrapped, for
// anything else than a box.
func Read(box io.ReaderAt, room int) (frame []byte, atWork bool, err error) {
	var header [headerBytes]byte
	if _, err := box.ReadAt(header[:], 0); err != nil {
		return nil, false, fmt.Errorf("%w: reading its header: %w", ErrNotABox, err)
	}
	if got := binary.NativeEndian.Uint32(header[magicAt:]); got != magic {
		return nil, false, fmt.Errorf("%w: it begins with %#x", ErrNotABox, got)
	}
	switch state := binary.NativeEndian.Uint32(header[stateAt:]); state {
	case stateIdle:
		return nil, false, nil
	case stateAtWork:
	default:
		return nil, false, fmt.Errorf("%w: its state is %d", ErrNotABox, state)
	}
	length := int64(binary.NativeEndian.Uint32(header[lengthAt:]))
	frame = make([]byte, max(0, min(length, int64(room))))
	n, err := box.ReadAt(frame, headerBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, false, fmt.Errorf("reading a black box: %w", err)
	}
	return frame[:n], true, nil
}
