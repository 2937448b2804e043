package journal

import (
	"testing"

	"google.golang.org/protobuf/proto"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// FuzzCheckBatch compares checkBatch, which decodes message by message, with decoding the
// whole batch at once.
func FuzzCheckBatch(f *testing.F) {
	f.Fuzz(func(t *testing.T, batch []byte, first, last uint64) {
		if first == 0 || last < first {
			return // refused before the batch is looked at
		}
		var whole bulkheadv1.Batch
		want := proto.Unmarshal(batch, &whole) == nil
		for i, m := range whole.GetMessages() {
			want = want && m.GetSeq() == first+uint64(i)
		}
		n := uint64(len(whole.GetMessages()))
		want = want && n > 0 && n-1 == last-first
		if err := checkBatch(batch, first, last); (err == nil) != want {
			t.Errorf("checkBatch(%x, %d, %d) = %v, decoded at once: %v %v", batch, first, last, err, want, &whole)
		}
	})
}
