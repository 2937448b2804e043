package journal

import (
	"google.golang.org/protobuf/proto"

	"bulkhead/internal/encoded"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// checkBatch returns why an encoded Batch does not hold exactly the messages first …
// last. It decodes one message at a time: two bytes of batch can be a message of
// a hundred bytes in memory.
func checkBatch(batch []byte, first, last uint64) error {
	message := new(bulkheadv1.Message)
	return encoded.Range(batch, first, last, func(one []byte) (uint64, error) {
		if proto.Unmarshal(one, message) != nil {
			return 0, encoded.ErrEncoding
		}
		return message.GetSeq(), nil
	})
}
