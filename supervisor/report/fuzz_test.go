package report

import (
	"encoding/json"
	"testing"

	"google.golang.org/protobuf/proto"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// FuzzFold folds any bytes as a batch, twice: as they are, and, when they decode,
// renumbered so that their facts are reached. Its corpus is in testdata/fuzz.
func FuzzFold(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		s := newStory(t, 1)
		a := s.arrive("fuzz", 1, 1, 4001, 0)
		a.sayBytes(1, 3, data)
		batch := new(bulkheadv1.Batch)
		if proto.Unmarshal(data, batch) == nil && len(batch.GetMessages()) > 0 {
			for i, m := range batch.GetMessages() {
				m.Seq = uint64(4 + i)
			}
			encoded, err := proto.Marshal(batch)
			if err != nil {
				t.Fatal(err)
			}
			a.sayBytes(4, uint64(3+len(batch.GetMessages())), encoded)
		}
		r := foldAll(t, s.records)
		c := &r.Clients[0]
		if c.Messages+c.Malformed != c.LastSeq {
			t.Errorf("%d messages and %d malformed of %d", c.Messages, c.Malformed, c.LastSeq)
		}
		text, encoded := render(t, r)
		checkPrintable(t, text)
		if err := json.Unmarshal(encoded, new(Report)); err != nil {
			t.Errorf("JSON does not read back: %v", err)
		}
	})
}
