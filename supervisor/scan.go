package supervisor

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// Field numbers of Batch, Message and Progress that a processor looks at.
const (
	batchMessages   protowire.Number = 1
	messageSeq      protowire.Number = 1
	messageProgress protowire.Number = 16
	progressBytes   protowire.Number = 2
	progressChunks  protowire.Number = 3
	progressErrors  protowire.Number = 4
)

// errEncoding says that bytes are not the encoding of a message.
var errEncoding = errors.New("it does not decode")

// scan checks that an encoded Batch holds exactly the messages first to last, and
// adds up its Progress messages for the live figures (the sums wrap rather than
// fail: the report has its own). It reads the wire format in place and allocates
// nothing, so that no batch, however it is made, costs the supervisor memory: the
// smallest encodings unfold to fifty times their size when decoded.
func scan(batch []byte, first, last uint64) (counted, error) {
	var c counted
	err := fields(batch, func(n protowire.Number, v uint64, b []byte) error {
		if n != batchMessages || b == nil {
			return nil
		}
		want := first + c.messages
		if want > last {
			return fmt.Errorf("it holds more than messages %d to %d", first, last)
		}
		seq, progress, err := scanMessage(b)
		if err != nil {
			return err
		}
		if seq != want {
			return fmt.Errorf("it holds message %d where %d should be", seq, want)
		}
		c.messages++
		return fields(progress, func(n protowire.Number, v uint64, _ []byte) error {
			switch n {
			case progressBytes:
				c.bytes += v
			case progressChunks:
				c.chunks += v
			case progressErrors:
				c.errors += v
			}
			return nil
		})
	})
	if err == nil && c.messages != last-first+1 {
		err = fmt.Errorf("it holds %d messages, not %d to %d", c.messages, first, last)
	}
	return c, err
}

// scanMessage returns a Message's sequence number and its encoded Progress, if it
// is one.
func scanMessage(message []byte) (seq uint64, progress []byte, err error) {
	err = fields(message, func(n protowire.Number, v uint64, b []byte) error {
		switch {
		case n == messageSeq && b == nil:
			seq = v
		case n == messageProgress && b != nil:
			progress = b
		}
		return nil
	})
	return seq, progress, err
}

// fields calls visit with every field of an encoded message: v for a varint, b
// (not nil) for bytes; fields of other types are passed over.
func fields(data []byte, visit func(n protowire.Number, v uint64, b []byte) error) error {
	for len(data) > 0 {
		n, kind, size := protowire.ConsumeTag(data)
		if size < 0 {
			return errEncoding
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
			return errEncoding
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
