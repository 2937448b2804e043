package journal

import (
	"encoding/binary"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"bulkhead/internal/frame"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

const (
	magic         = "BHJL"
	formatVersion = 1

	headerBytes = 16 // magic, version u32, start u64
	frameBytes  = frame.HeaderBytes

	// maxPayloadBytes is the largest payload of a frame.
	maxPayloadBytes = 16 << 20
)

// encodeHeader returns the header of a segment that has start bytes of journal
// before it.
func encodeHeader(start int64) []byte {
	h := make([]byte, 0, headerBytes)
	h = append(h, magic...)
	h = binary.LittleEndian.AppendUint32(h, formatVersion)
	return binary.LittleEndian.AppendUint64(h, uint64(start))
}

// appendFrame encodes rec as a framed record at the end of buf, with or without room for where
// its write begins. On an error buf is as it was.
func appendFrame(buf []byte, rec *bulkheadv1.Record, begin bool) ([]byte, error) {
	opts := proto.MarshalOptions{}
	size := opts.Size(rec)
	switch {
	case size == 0:
		return buf, errors.New("record is empty")
	case size > MaxRecordBytes:
		return buf, fmt.Errorf("record of %d bytes is larger than %d", size, MaxRecordBytes)
	case rec.WriteBegin != nil:
		return buf, errors.New("record has a write_begin, which is for the journal to set")
	}
	start := len(buf)
	opts.UseCachedSize = true
	framed, err := opts.MarshalAppend(append(buf, make([]byte, frameBytes)...), rec)
	if err != nil {
		return buf, fmt.Errorf("encoding record: %w", err)
	}
	if begin {
		framed = append(framed, untoldBegin...)
	}
	frame.Seal(framed[start:])
	return framed, nil
}
