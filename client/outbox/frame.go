package outbox

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"bulkhead/internal/encoded"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Frame is an encoded bulkheadv1.ClientFrame with a Batch: what is sent as it is. It is made of
// the encoded messages that are kept, without decoding them.
type Frame []byte

// The tags of Message.seq, Batch.messages and ClientFrame.batch, of a byte each.
const (
	seqTag      = byte(encoded.MessageSeq<<3) | byte(protowire.VarintType)
	messagesTag = byte(encoded.BatchMessages<<3) | byte(protowire.BytesType)
	batchTag    = byte(encoded.ClientFrameBatch<<3) | byte(protowire.BytesType)
)

// said is an encoded message but for its number, and the number that it is sent with.
type said struct {
	seq  uint64
	rest []byte
}

// saidAs returns an encoded message as the one with number seq, whatever number it has.
func saidAs(payload []byte, seq uint64) (said, error) {
	if rest, ok := withoutSeq(payload); ok { // as for all that this program has encoded
		return said{seq, rest}, nil
	}
	message := new(bulkheadv1.Message)
	if err := proto.Unmarshal(payload, message); err != nil {
		return said{}, fmt.Errorf("decoding message %d: %w", seq, err)
	}
	message.Seq = 0 // which is then left out
	rest, err := proto.Marshal(message)
	if err != nil {
		return said{}, fmt.Errorf("encoding message %d: %w", seq, err)
	}
	return said{seq, rest}, nil
}

// withoutSeq returns what follows the number of an encoded message, and whether the number is its
// first field and in it once.
func withoutSeq(payload []byte) ([]byte, bool) {
	if len(payload) == 0 || payload[0] != seqTag {
		return nil, false
	}
	_, n := protowire.ConsumeVarint(payload[1:])
	if n < 0 {
		return nil, false
	}
	rest := payload[1+n:]
	for fields := rest; len(fields) > 0; fields = fields[n:] {
		var number protowire.Number
		if number, _, n = protowire.ConsumeField(fields); n < 0 || number == encoded.MessageSeq {
			return nil, false
		}
	}
	return rest, true
}

// size returns how many bytes the message takes.
func (s said) size() int { return 1 + protowire.SizeVarint(s.seq) + len(s.rest) }

// frameSize returns how many bytes the frame of a batch takes whose messages take batch bytes.
func frameSize(batch int) int { return 1 + protowire.SizeBytes(batch) }

// frameOf returns the frame of a batch of messages, which take batch bytes.
func frameOf(messages []said, batch int) Frame {
	frame := make(Frame, 0, frameSize(batch))
	frame = protowire.AppendVarint(append(frame, batchTag), uint64(batch))
	for _, m := range messages {
		frame = protowire.AppendVarint(append(frame, messagesTag), uint64(m.size()))
		frame = protowire.AppendVarint(append(frame, seqTag), m.seq)
		frame = append(frame, m.rest...)
	}
	return frame
}
