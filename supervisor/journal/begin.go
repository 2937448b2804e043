package journal

import (
	"encoding/binary"
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"bulkhead/internal/frame"
)

// beginTag is the tag of Record.write_begin, and untoldBegin the field before it is filled in,
// which readers take for not told.
const (
	beginTag    = "\x95\x01" // 18<<3 | protowire.Fixed32Type, as a varint
	untoldBegin = beginTag + "\x00\x00\x00\x00"
	beginBytes  = 6
)

// tellBegin fills in where the write begins in each record of the frames of one. Nobody knows
// before which write that will be, so the field is as long for any, and is the last, so that the
// checksum is not computed again.
func tellBegin(frames []byte) {
	for end := 0; end < len(frames); {
		at := end
		end += frameBytes + int(frame.Length(frames[at:]))
		if end > math.MaxInt32 {
			return // of the records from here on it is not told
		}
		frame.SetEnd(frames[at:end], uint32(-int32(end)))
	}
}

// writeBegin returns where the write begins that a record came with, from the record's payload
// and the offset of its end. It is not ok if that is not told.
func writeBegin(payload []byte, end int64) (begin int64, ok bool) {
	field := payload[len(withoutBegin(payload)):]
	if len(field) == 0 {
		return 0, false
	}
	back := int32(binary.LittleEndian.Uint32(field[len(beginTag):]))
	for rest := payload; len(rest) > len(field); { // or these bytes are of another field
		_, _, n := protowire.ConsumeField(rest)
		if n < 0 || len(rest)-n < len(field) {
			return 0, false
		}
		rest = rest[n:]
	}
	return end + int64(back), back < 0
}

// withoutBegin returns a payload without its last bytes if they look like the field.
func withoutBegin(payload []byte) []byte {
	rest := len(payload) - beginBytes
	if rest < 0 || string(payload[rest:rest+len(beginTag)]) != beginTag {
		return payload
	}
	return payload[:rest]
}
