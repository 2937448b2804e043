package journal

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"bulkhead/internal/encoded"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Shortening returns what is to be decoded of a record's payload that is no SessionBatch, where who
// reads a journal knows that the rest counts for nothing: a part of it, or of something else. It must
// not change the payload. What does not decode must not either without the rest.
type Shortening func(payload []byte) []byte

// decode returns the record in a payload whose checksum is right, as it was appended; it keeps
// nothing of the payload. short may be nil. What does not decode was written like that: it is corruption, also at
// the very end.
func decode(payload []byte, at Position, short Shortening) (*bulkheadv1.Record, error) {
	if f, ok := splitBatch(payload); ok {
		return f.record(), nil
	}
	rec := new(bulkheadv1.Record)
	if short != nil {
		payload = short(payload)
	}
	if err := proto.Unmarshal(payload, rec); err != nil {
		// The text of err differs from build to build, and reports must not.
		return nil, &CorruptError{at, "record has the right checksum but does not decode"}
	}
	rec.WriteBegin = nil
	return rec, nil
}

// verify does what decode does, for its error alone.
func verify(payload []byte, at Position, _ Mark) error {
	if _, ok := splitBatch(payload); ok {
		return nil
	}
	_, err := decode(payload, at, nil)
	return err
}

// batchFields is a Record that holds a SessionBatch, as it lies in a payload.
type batchFields struct {
	time, session, first, last, elapsed uint64

	batch []byte // part of the payload
}

// Tags of the fields of a Record and of a SessionBatch, as an encoder writes them.
const (
	tagElapsed      = 14<<3 | byte(protowire.VarintType)
	tagTime         = 1<<3 | byte(protowire.VarintType)
	tagSessionBatch = 5<<3 | byte(protowire.BytesType)
	tagSession      = 1<<3 | byte(protowire.VarintType)
	tagFirstSeq     = 2<<3 | byte(protowire.VarintType)
	tagLastSeq      = 3<<3 | byte(protowire.VarintType)
	tagBatch        = 4<<3 | byte(protowire.BytesType)
)

// splitBatch reads a payload that is a Record with a SessionBatch in the form in which
// the writer writes it: known fields alone, each at most once, the one of several behind the
// others, and last where its write begins, if that is there. It is not ok for anything else,
// which may be a valid Record all the same. Nearly all of a journal has this form, and reading it
// like this takes a third of the time.
func splitBatch(payload []byte) (f batchFields, ok bool) {
	rest := payload
	if rest, f.time, ok = cutVarint(rest, tagTime); !ok {
		return f, false
	}
	if rest, f.elapsed, ok = cutVarint(rest, tagElapsed); !ok {
		return f, false
	}
	whole := rest
	if rest, ok = cutLast(whole, tagSessionBatch); !ok {
		if rest, ok = cutLast(withoutBegin(whole), tagSessionBatch); !ok {
			return f, false
		}
	}
	if rest, f.session, ok = cutVarint(rest, tagSession); !ok || f.session > math.MaxUint32 {
		return f, false
	}
	if rest, f.first, ok = cutVarint(rest, tagFirstSeq); !ok {
		return f, false
	}
	if rest, f.last, ok = cutVarint(rest, tagLastSeq); !ok {
		return f, false
	}
	f.batch, ok = cutLast(rest, tagBatch)
	return f, ok
}

// cutVarint takes a varint field off b; the value is 0 if b does not begin with it.
func cutVarint(b []byte, tag byte) (rest []byte, value uint64, ok bool) {
	if len(b) == 0 || b[0] != tag {
		return b, 0, true
	}
	value, n := protowire.ConsumeVarint(b[1:])
	if n < 0 {
		return b, 0, false
	}
	return b[1+n:], value, true
}

// cutLast returns the content of a length-delimited field that is all of b.
func cutLast(b []byte, tag byte) (content []byte, ok bool) {
	if len(b) == 0 || b[0] != tag {
		return nil, false
	}
	content, n := protowire.ConsumeBytes(b[1:])
	return content, n == len(b)-1
}

// batchRecord is a Record with a SessionBatch, in one piece of memory.
type batchRecord struct {
	record  bulkheadv1.Record
	entry   bulkheadv1.Record_SessionBatch
	session bulkheadv1.SessionBatch
}

// record returns the fields as a Record, with a copy of the batch.
func (f *batchFields) record() *bulkheadv1.Record {
	r := new(batchRecord)
	r.record.TimeUnixNano, r.record.ElapsedNano = int64(f.time), int64(f.elapsed)
	r.record.Entry = &r.entry
	r.entry.SessionBatch = &r.session
	r.session.Session, r.session.FirstSeq, r.session.LastSeq = uint32(f.session), f.first, f.last
	r.session.Batch = append([]byte(nil), f.batch...)
	return &r.record
}

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
