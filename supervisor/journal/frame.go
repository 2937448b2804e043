package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"google.golang.org/protobuf/proto"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

const (
	magic         = "BHJL"
	formatVersion = 1

	headerBytes = 16 // magic, version u32, start u64
	frameBytes  = 8  // length u32, checksum u32
)

// encodeHeader returns the header of a segment that has start bytes of journal
// before it.
func encodeHeader(start int64) []byte {
	h := make([]byte, 0, headerBytes)
	h = append(h, magic...)
	h = binary.LittleEndian.AppendUint32(h, formatVersion)
	return binary.LittleEndian.AppendUint64(h, uint64(start))
}

// checksum is the CRC-32C of a record's length field and payload.
func checksum(length, payload []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Checksum(length, table), table, payload)
}

// appendFrame encodes rec as a framed record at the end of buf. On an error buf is
// as it was.
func appendFrame(buf []byte, rec *bulkheadv1.Record) ([]byte, error) {
	opts := proto.MarshalOptions{}
	size := opts.Size(rec)
	switch {
	case size == 0:
		return buf, errors.New("record is empty")
	case size > MaxRecordBytes:
		return buf, fmt.Errorf("record of %d bytes is larger than %d", size, MaxRecordBytes)
	}
	start := len(buf)
	opts.UseCachedSize = true
	framed, err := opts.MarshalAppend(append(buf, make([]byte, frameBytes)...), rec)
	if err != nil {
		return buf, fmt.Errorf("encoding record: %w", err)
	}
	frame, payload := framed[start:start+frameBytes], framed[start+frameBytes:]
	binary.LittleEndian.PutUint32(frame, uint32(len(payload)))
	binary.LittleEndian.PutUint32(frame[4:], checksum(frame[:4], payload))
	return framed, nil
}
