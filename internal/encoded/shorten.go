package encoded

import "google.golang.org/protobuf/encoding/protowire"

// EmptyConsumers returns an encoded Record as it is decoded, but that the consumers which a client
// declares in its SessionOpened and nobody wants have nothing in them: as many are there as before, and
// they cost next to nothing to decode. wants is called with each, in order. What is no encoding is
// returned as it is, for who decodes it to say so.
func EmptyConsumers(record []byte, wants func(consumer []byte) bool) []byte {
	path := []protowire.Number{RecordSessionOpened, OpenedHello, HelloWorkload, WorkloadConsumers}
	short, ok := emptied(record, path, wants)
	if !ok {
		return record
	}
	return short
}

// emptied returns an encoded message without what is in the fields at the end of path that nobody wants.
func emptied(message []byte, path []protowire.Number, wants func([]byte) bool) (short []byte, ok bool) {
	for rest := message; len(rest) > 0; {
		n, kind, tag := protowire.ConsumeTag(rest)
		if tag < 0 {
			return nil, false
		}
		size := protowire.ConsumeFieldValue(n, kind, rest[tag:])
		if size < 0 {
			return nil, false
		}
		field := rest[:tag+size]
		rest = rest[tag+size:]
		if n != path[0] || kind != protowire.BytesType {
			short = append(short, field...)
			continue
		}
		content, _ := protowire.ConsumeBytes(field[tag:]) // which was looked at above
		if len(path) > 1 {
			if content, ok = emptied(content, path[1:], wants); !ok {
				return nil, false
			}
		} else if !wants(content) {
			content = nil
		}
		short = append(short, field[:tag]...)
		short = protowire.AppendBytes(short, content)
	}
	return short, true
}
