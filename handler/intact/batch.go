package intact

// Batch is an encoded Batch in a frame.
type Batch struct {
	// Data is the encoded Batch, a part of the frame.
	Data []byte
	// FirstSeq and LastSeq are the numbers of its messages, which follow each other.
	FirstSeq, LastSeq uint64
}

// Messages returns how many messages the Batch holds; at least 1.
func (b Batch) Messages() uint64 { return b.LastSeq - b.FirstSeq + 1 }

// Tags of the fields that are looked at by name: field number and wire type in one byte, as
// in the encoding. TestTags compares them with the descriptors.
const (
	tagFrameBatch    = 2<<3 | wireBytes
	tagBatchMessages = 1<<3 | wireBytes
	tagMessageSeq    = 1<<3 | wireVarint
	tagProcessKind   = 1<<3 | wireVarint
	messageProcess   = 3
)

// Find returns the Batch that an encoded ClientFrame consists of. ok is false unless the frame
// holds an intact Batch and nothing else.
func Find(frame []byte) (b Batch, ok bool) {
	if len(frame) == 0 || frame[0] != tagFrameBatch {
		return Batch{}, false
	}
	data, rest, ok := block(frame[1:])
	if !ok || len(rest) > 0 || len(data) == 0 {
		return Batch{}, false
	}
	b.Data = data
	for len(data) > 0 {
		if data[0] != tagBatchMessages {
			return Batch{}, false
		}
		var message []byte
		if message, data, ok = block(data[1:]); !ok {
			return Batch{}, false
		}
		seq, ok := check(message)
		switch {
		case !ok || b.FirstSeq != 0 && seq != b.LastSeq+1:
			return Batch{}, false
		case b.FirstSeq == 0:
			b.FirstSeq = seq
		}
		b.LastSeq = seq
	}
	return b, true
}

// check checks an encoded Message and returns its sequence number, which is not 0.
func check(data []byte) (seq uint64, ok bool) {
	if len(data) == 0 || data[0] != tagMessageSeq {
		return 0, false
	}
	seq, _, ok = varint(data[1:])
	if !ok {
		return 0, false
	}
	var seen tally
	if !table[0].check(data, &seen) {
		return 0, false
	}
	return seq, seen.facts == 1 && seen.process
}
