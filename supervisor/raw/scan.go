package raw

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Field numbers of Batch, Message and the facts that a processor looks at.
const (
	batchMessages    protowire.Number = 1
	messageSeq       protowire.Number = 1
	messageStop      protowire.Number = 11
	messageHeartbeat protowire.Number = 12
	messageRollover  protowire.Number = 13
	messageProgress  protowire.Number = 16
	progressBytes    protowire.Number = 2
	progressChunks   protowire.Number = 3
	progressErrors   protowire.Number = 4
	progressWrites   protowire.Number = 6
	heartbeatAnswers protowire.Number = 4
	heartbeatMisses  protowire.Number = 5
	answerState      protowire.Number = 3
	answerLate       protowire.Number = 4
)

// errEncoding says that bytes are not the encoding of a message.
var errEncoding = errors.New("it does not decode")

// Scan checks that an encoded Batch holds exactly the messages first to last, and
// adds up its facts for the live figures (the sums wrap rather than fail: the
// report has its own). It reads the wire format in place and allocates
// nothing, so that no batch, however it is made, costs the supervisor memory: the
// smallest encodings unfold to fifty times their size when decoded.
func Scan(batch []byte, first, last uint64) (Counted, error) {
	var c Counted
	err := fields(batch, func(n protowire.Number, v uint64, b []byte) error {
		if n != batchMessages || b == nil {
			return nil
		}
		want := first + c.Messages
		if want > last {
			return fmt.Errorf("it holds more than messages %d to %d", first, last)
		}
		m, err := scanMessage(b)
		if err != nil {
			return err
		}
		if m.seq != want {
			return fmt.Errorf("it holds message %d where %d should be", m.seq, want)
		}
		c.Messages++
		c.Stopped = c.Stopped || m.stop
		if m.rollover {
			c.Rollovers++
		}
		if err := c.heartbeat(m.heartbeat); err != nil {
			return err
		}
		return fields(m.progress, func(n protowire.Number, v uint64, b []byte) error {
			switch n {
			case progressBytes:
				c.Bytes += v
			case progressChunks:
				c.Chunks += v
			case progressErrors:
				c.Errors += v
			case progressWrites:
				c.Timed = c.Timed || len(b) > 0
			}
			return nil
		})
	})
	if err == nil && c.Messages != last-first+1 {
		err = fmt.Errorf("it holds %d messages, not %d to %d", c.Messages, first, last)
	}
	return c, err
}

// scanned is what a processor looks at in a Message: its sequence number and its
// encoded fact.
type scanned struct {
	seq                 uint64
	progress, heartbeat []byte // nil if it is none
	rollover, stop      bool
}

func scanMessage(message []byte) (m scanned, err error) {
	err = fields(message, func(n protowire.Number, v uint64, b []byte) error {
		switch {
		case n == messageSeq && b == nil:
			m.seq = v
		case b == nil:
		case n == messageProgress:
			m.progress = b
		case n == messageHeartbeat:
			m.heartbeat = b
		case n == messageRollover:
			m.rollover = true
		case n == messageStop:
			m.stop = true
		}
		return nil
	})
	return m, err
}

// heartbeat adds an encoded round; nil adds nothing.
func (c *Counted) heartbeat(round []byte) error {
	if round == nil {
		return nil
	}
	var r beats
	err := fields(round, func(n protowire.Number, _ uint64, b []byte) error {
		switch {
		case b == nil:
		case n == heartbeatMisses:
			r.Missed++
		case n == heartbeatAnswers:
			return r.answer(b)
		}
		return nil
	})
	c.Rounds++
	c.Beats.add(r)
	c.LastRound = r
	return err
}

// answer adds an encoded HeartbeatAnswer.
func (r *beats) answer(answer []byte) error {
	late, stalled := false, false
	err := fields(answer, func(n protowire.Number, v uint64, _ []byte) error {
		switch n {
		case answerLate:
			late = v != 0
		case answerState:
			stalled = bulkheadv1.WorkerState(v) == bulkheadv1.WorkerState_WORKER_STATE_STALLED
		}
		return nil
	})
	if late {
		r.Late++
	} else {
		r.Answered++
	}
	if stalled {
		r.Stalled++
	}
	return err
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
