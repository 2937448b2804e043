package journal

import (
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// replayBytes is how much journal BenchmarkReplay reads.
const replayBytes = 64 << 20

// BenchmarkReplay reads the unfinished journal of a killed supervisor, of batches of
// several sizes, and takes it up again. Allocations are those for each record.
func BenchmarkReplay(b *testing.B) {
	for _, messages := range []int{1, 16, 128} {
		b.Run(fmt.Sprintf("messages=%d", messages), func(b *testing.B) {
			dir := b.TempDir()
			records := writeBatches(b, dir, messages)
			b.Run("replay", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					sum, err := Replay(dir, func(*bulkheadv1.Record) error { return nil })
					if err != nil || sum.Records != records {
						b.Fatalf("Replay = %+v, %v; want %d records", sum, err, records)
					}
					b.SetBytes(sum.Bytes)
				}
				b.ReportMetric(float64(records)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
			})
			b.Run("open", func(b *testing.B) {
				for b.Loop() {
					f, _, err := open(dir, Options{}, unsynced(dir))
					if err != nil {
						b.Fatal(err)
					}
					closeJournal(b, f)
				}
			})
		})
	}
}

// writeBatches fills a journal with batches and returns how many.
func writeBatches(b *testing.B, dir string, messages int) (records uint64) {
	f, err := create(dir, Options{SegmentBytes: replayBytes / 4}, unsynced(dir))
	if err != nil {
		b.Fatal(err)
	}
	rec := monitorBatch(b, messages)
	size := proto.Size(rec) + frameBytes
	group := make([]*bulkheadv1.Record, max(1<<20/size, 1))
	for i := range group {
		group[i] = rec
	}
	for written := 0; written < replayBytes; written += len(group) * size {
		if err := f.Append(b.Context(), group...); err != nil {
			b.Fatal(err)
		}
		records += uint64(len(group))
	}
	closeJournal(b, f)
	return records
}
