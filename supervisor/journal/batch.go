package journal

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// batchMessages is the field number of Batch.messages.
const batchMessages protowire.Number = 1

// checkBatch returns why an encoded Batch does not hold exactly the messages first …
// last, or "". It decodes one message at a time: two bytes of batch can be a message of
// a hundred bytes in memory.
func checkBatch(batch []byte, first, last uint64) (why string) {
	var count uint64
	message := new(bulkheadv1.Message)
	for len(batch) > 0 {
		encoded, isMessage, n := consumeMessage(batch)
		if n < 0 {
			return "does not decode"
		}
		batch = batch[n:]
		if !isMessage {
			continue
		}
		if err := proto.Unmarshal(encoded, message); err != nil {
			return fmt.Sprintf("message %d of it does not decode", count+1)
		}
		if count > last-first {
			return "holds more messages than its range"
		}
		if message.GetSeq() != first+count {
			return fmt.Sprintf("holds message %d where %d should be", message.GetSeq(), first+count)
		}
		count++
	}
	if count != 0 && count-1 == last-first {
		return ""
	}
	return fmt.Sprintf("holds %d messages", count)
}

// consumeMessage splits one field off an encoded Batch and returns its length, negative
// if it is malformed, and the message in it if it is one.
func consumeMessage(b []byte) (encoded []byte, isMessage bool, n int) {
	number, kind, tag := protowire.ConsumeTag(b)
	if tag < 0 {
		return nil, false, tag
	}
	if number == batchMessages && kind == protowire.BytesType {
		encoded, n = protowire.ConsumeBytes(b[tag:])
		isMessage = true
	} else {
		n = protowire.ConsumeFieldValue(number, kind, b[tag:])
	}
	if n < 0 {
		return nil, false, n
	}
	return encoded, isMessage, tag + n
}
