// Package frame is the form in which the journal and a client's spool hold their payloads, one
// after the other (integers little endian):
//
//	length u32 | CRC-32C of length and payload u32 | payload
//
// The checksum covers the length too, so a damaged length never passes for another frame.
// The package neither reads nor bounds anything: what a torn or damaged frame means, and how
// long a payload may be, is for each format to say.
package frame

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
)

// HeaderBytes is how long the header of a frame is.
const HeaderBytes = 8

// Append appends the frame of payload to buf.
func Append(buf, payload []byte) []byte {
	start := len(buf)
	buf = slices.Grow(buf, HeaderBytes+len(payload))
	buf = append(append(buf, make([]byte, HeaderBytes)...), payload...)
	Seal(buf[start:])
	return buf
}

// Seal fills in the header of a frame: its first HeaderBytes, before a payload that is already
// there.
func Seal(frame []byte) {
	payload := frame[HeaderBytes:]
	SetLength(frame, uint32(len(payload)))
	c := NewCheck(frame)
	c.Add(payload)
	binary.LittleEndian.PutUint32(frame[4:], c.sum)
}

// SetEnd changes the last four bytes of a sealed frame, which has a payload of at least four, into
// a number, and its checksum with them: that takes as long for a long payload as for a short one.
func SetEnd(frame []byte, end uint32) {
	last := frame[len(frame)-4:]
	// The checksum of a message with some bits flipped is its checksum with some bits flipped,
	// and which they are depends on nothing but the flipped ones and what is behind them.
	var flipped [4]byte
	binary.LittleEndian.PutUint32(flipped[:], binary.LittleEndian.Uint32(last)^end)
	sum := binary.LittleEndian.Uint32(frame[4:]) ^ ^crc32.Update(^uint32(0), table(), flipped[:])
	binary.LittleEndian.PutUint32(frame[4:], sum)
	binary.LittleEndian.PutUint32(last, end)
}

// Length returns the length of the payload that a header claims.
func Length(header []byte) uint32 { return binary.LittleEndian.Uint32(header) }

// SetLength sets the length in a header, and leaves the checksum as it is.
func SetLength(header []byte, length uint32) { binary.LittleEndian.PutUint32(header, length) }

// Matches reports whether payload has the checksum of its header. It does not compare their
// lengths.
func Matches(header, payload []byte) bool {
	c := NewCheck(header)
	c.Add(payload)
	return c.OK()
}

// Check computes the checksum of a payload that comes in pieces.
type Check struct {
	sum, want uint32
}

// NewCheck returns the Check of the payload behind a header.
func NewCheck(header []byte) Check {
	return Check{sum: crc32.Checksum(header[:4], table()), want: binary.LittleEndian.Uint32(header[4:HeaderBytes])}
}

// Add takes the next piece of the payload.
func (c *Check) Add(p []byte) { c.sum = crc32.Update(c.sum, table(), p) }

// OK reports whether what was added has the checksum of the header.
func (c *Check) OK() bool { return c.sum == c.want }

// table returns the CRC-32C table, which crc32 makes once.
func table() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }
