// Package encoded looks at messages of the protocol as they come, before they are decoded, or
// instead: two bytes can stand for a message that takes a hundred in memory, and a batch is passed
// on and kept as it came. It reads in place, and allocates nothing but errors.
package encoded

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// ErrEncoding says that bytes are not the encoding of a message.
var ErrEncoding = errors.New("it does not decode")

// Fields calls visit with every field of an encoded message: v for a varint, b (not nil) for
// bytes; fields of other types are passed over. It returns ErrEncoding, or the first error of visit.
func Fields(data []byte, visit func(n protowire.Number, v uint64, b []byte) error) error {
	for len(data) > 0 {
		n, kind, size := protowire.ConsumeTag(data)
		if size < 0 {
			return ErrEncoding
		}
		data = data[size:]
		var v uint64
		var b []byte
		switch kind {
		case protowire.VarintType:
			v, size = protowire.ConsumeVarint(data)
		case protowire.BytesType:
			b, size = protowire.ConsumeBytes(data)
		default:
			size = protowire.ConsumeFieldValue(n, kind, data)
		}
		if size < 0 {
			return ErrEncoding
		}
		data = data[size:]
		if kind == protowire.VarintType || kind == protowire.BytesType {
			if err := visit(n, v, b); err != nil {
				return err
			}
		}
	}
	return nil
}

// Messages calls visit with every encoded Message of an encoded Batch. It returns ErrEncoding, or
// the first error of visit.
func Messages(batch []byte, visit func(message []byte) error) error {
	return Fields(batch, func(n protowire.Number, _ uint64, b []byte) error {
		if n != BatchMessages || b == nil {
			return nil
		}
		return visit(b)
	})
}

// Range checks that an encoded Batch holds exactly the messages first to last, in that order; first
// is at most last. look is called with each of them, and returns its number.
func Range(batch []byte, first, last uint64, look func(message []byte) (seq uint64, err error)) error {
	var count uint64
	err := Messages(batch, func(message []byte) error {
		if count > last-first {
			return fmt.Errorf("it holds more than messages %d to %d", first, last)
		}
		seq, err := look(message)
		if err != nil {
			return err
		}
		if seq != first+count {
			return fmt.Errorf("it holds message %d where %d should be", seq, first+count)
		}
		count++
		return nil
	})
	if err == nil && (count == 0 || count-1 != last-first) {
		err = fmt.Errorf("it holds %d messages, not %d to %d", count, first, last)
	}
	return err
}
