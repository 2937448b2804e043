package consumer

import (
	"cmp"
	"fmt"
	"os"
	"testing"
)

// BenchmarkFill measures the write loop: files of 256 MiB, or of 4096 chunks if
// that is less, each removed outside the time measured. BULKHEAD_BENCH_DIR says
// where; the default is the folder for temporary files.
func BenchmarkFill(b *testing.B) {
	for _, chunk := range []uint64{4 << 10, 64 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("chunk=%dKiB", chunk>>10), func(b *testing.B) {
			folder, err := os.MkdirTemp(cmp.Or(os.Getenv("BULKHEAD_BENCH_DIR"), os.TempDir()), "bench")
			if err != nil {
				b.Fatal(err)
			}
			defer os.RemoveAll(folder)
			w := newTestWriter(b, folder, chunk, min(256<<20, 4096*chunk), nil)
			b.SetBytes(int64(w.task.maxFile))
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				f := writeOne(b, w)
				b.StopTimer()
				removeOne(b, w, f)
				b.StartTimer()
			}
		})
	}
}
