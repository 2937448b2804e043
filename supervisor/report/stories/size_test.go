package stories

import (
	"fmt"
	"io"
	"runtime"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"bulkhead/internal/testing/story"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report/fold"
)

// processorTime returns what the process has used so far, so that whatever else the machine does
// does not count.
func processorTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkFold folds runs of 500 clients, the longest of 10 million messages, and renders their
// JSON. It reports the highest heap it saw, in MiB, and the processor time that one message
// took.
func BenchmarkFold(b *testing.B) {
	for _, seconds := range []int{200, 800, 2100} {
		b.Run(fmt.Sprintf("%ds", seconds), func(b *testing.B) {
			for b.Loop() {
				runtime.GC()
				f := fold.NewFolder()
				var stats runtime.MemStats
				var peak uint64
				see := func() {
					runtime.ReadMemStats(&stats)
					peak = max(peak, stats.HeapAlloc)
				}
				var records uint64
				var folding time.Duration
				messages := story.Crowd(b, 500, 4, seconds, func(r *bulkheadv1.Record) {
					encoded, err := proto.Marshal(r)
					if err != nil {
						b.Fatal(err)
					}
					read := new(bulkheadv1.Record)
					if err := proto.Unmarshal(encoded, read); err != nil {
						b.Fatal(err)
					}
					begin := processorTime(b)
					if err := f.Add(read); err != nil {
						b.Fatal(err)
					}
					folding += processorTime(b) - begin
					if records++; records%2000 == 0 {
						see()
					}
				})
				begin := processorTime(b)
				r := f.Report()
				see()
				if err := r.JSON(io.Discard); err != nil {
					b.Fatal(err)
				}
				see()
				b.ReportMetric(float64(messages), "messages")
				b.ReportMetric(float64(folding.Nanoseconds())/float64(messages), "fold-cpu-ns/message")
				b.ReportMetric((processorTime(b) - begin).Seconds(), "report-cpu-s")
				b.ReportMetric(float64(peak)/story.Mib, "peak-MiB")
			}
		})
	}
}
