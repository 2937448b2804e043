package intact

import (
	"encoding/binary"
	"math"
	"unicode/utf8"
)

// Wire types; https://protobuf.dev/programming-guides/encoding/#structure.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
)

// tally is what was seen of a Message.
type tally struct {
	facts   int
	process bool // it says which process it is about
}

// check reports whether data are the encoding of a message of this type that encoding gives:
// known fields only, in the order of their numbers, each once unless it is repeated, numbers
// in their shortest form, no field that has its default, and texts that are UTF-8 and need no
// cut. seen is nil for what is not a Message.
func (m *message) check(data []byte, seen *tally) bool {
	var last uint
	var times int    // that the last field was repeated
	var lists [2]int // how many numbers the lists of a Histogram hold
	for len(data) > 0 {
		tag := uint(data[0])
		data = data[1:]
		if tag >= 0x80 {
			if len(data) == 0 || data[0] == 0 || data[0] >= 0x80 {
				return false
			}
			tag = tag&0x7f | uint(data[0])<<7
			data = data[1:]
		}
		number := tag >> 3
		if number == 0 || number >= uint(len(m)) {
			return false
		}
		f := &m[number]
		if f.kind == none || tag&7 != uint(f.wire) || number < last || number == last && !f.repeated {
			return false
		}
		if number != last {
			times = 0
		}
		last = number
		if times++; f.repeated && times > int(f.most) {
			return false
		}
		switch f.wire {
		case wireFixed64:
			if len(data) < 8 || binary.LittleEndian.Uint64(data) == 0 {
				return false
			}
			data = data[8:]
			continue
		case wireVarint:
			var v uint64
			var ok bool
			if v, data, ok = varint(data); !ok || !f.kind.holds(v) {
				return false
			}
			continue
		}
		value, rest, ok := block(data)
		if !ok {
			return false
		}
		data = rest
		switch f.kind {
		case text:
			if len(value) > int(f.most) || len(value) == 0 || !utf8.Valid(value) {
				return false
			}
		case raw:
			if len(value) > int(f.most) || len(value) == 0 {
				return false
			}
		case numbers:
			n, ok := count(value)
			if !ok || n == 0 {
				return false
			}
			lists[number&1] = n
		case part:
			if !table[f.of].check(value, nil) {
				return false
			}
			if seen == nil {
				break
			}
			if f.fact {
				seen.facts++
			}
			if number == messageProcess {
				seen.process = len(value) > 0 && value[0] == tagProcessKind
			}
		}
	}
	return lists[0] == lists[1]
}

// holds reports whether encoding gives v for a field of this kind: not its default, and no
// number that decoding would cut.
func (k kind) holds(v uint64) bool {
	switch k {
	case unsigned64:
		return v != 0
	case unsigned32:
		return v != 0 && v <= math.MaxUint32
	case signed32: // of 64 bits in the encoding
		return v != 0 && uint64(int64(int32(v))) == v
	case boolean:
		return v == 1
	default:
		return false
	}
}

// varint takes a number in its shortest form from the begin of data.
func varint(data []byte) (v uint64, rest []byte, ok bool) {
	for i, b := range data {
		if i == 9 && b > 1 || i == 10 {
			return 0, nil, false // beyond 64 bits
		}
		v |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			return v, data[i+1:], b != 0 || i == 0
		}
	}
	return 0, nil, false
}

// block takes a length and so many bytes from the begin of data.
func block(data []byte) (value, rest []byte, ok bool) {
	n, data, ok := varint(data)
	if !ok || n > uint64(len(data)) {
		return nil, nil, false
	}
	return data[:n:n], data[n:], true
}

// count returns how many numbers, each in its shortest form, data consist of.
func count(data []byte) (n int, ok bool) {
	for len(data) > 0 {
		if data[0] < 0x80 {
			data = data[1:]
		} else if _, data, ok = varint(data); !ok {
			return 0, false
		}
		n++
	}
	return n, true
}
