package stories

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"bulkhead/internal/testing/story"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report/fold"
	"bulkhead/supervisor/report/render"
)

// BenchmarkDeclared folds runs in which every client declared as much as it may, and writes their report
// in every format. It reports the processor time of decoding, of the fold and of each format, the most
// memory that the process had, and how long each format is.
func BenchmarkDeclared(b *testing.B) {
	for _, shape := range []struct {
		name  string
		hello func(testing.TB) func(int) *bulkheadv1.Hello
	}{{"paths", largestHello}, {"sizes", manySizesHello}, {"consumers", manyConsumersHello},
		{"stages", manyStagesHello}} {
		for _, sessions := range []int{1000, 10_000} {
			b.Run(fmt.Sprintf("%s/%d", shape.name, sessions), func(b *testing.B) {
				hello := shape.hello(b)
				for b.Loop() {
					measureDeclared(b, sessions, hello)
				}
			})
		}
	}
}

func measureDeclared(b *testing.B, sessions int, hello func(int) *bulkheadv1.Hello) {
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		b.Fatal(err)
	}
	f := fold.NewFolder()
	var decode, add float64
	greetings(sessions, hello, func(r *bulkheadv1.Record) {
		encoded, err := proto.Marshal(r)
		if err != nil {
			b.Fatal(err)
		}
		begin := processorTime(b)
		read := new(bulkheadv1.Record)
		if err := proto.Unmarshal(f.Shorten(encoded), read); err != nil {
			b.Fatal(err)
		}
		middle := processorTime(b)
		if err := f.Add(read); err != nil {
			b.Fatal(err)
		}
		decode += (middle - begin).Seconds()
		add += (processorTime(b) - middle).Seconds()
	})
	b.ReportMetric(decode, "decode-cpu-s")
	b.ReportMetric(add, "fold-cpu-s")
	b.ReportMetric(peakMemory(b)/story.Mib, "fold-peak-MiB")
	begin := processorTime(b)
	r := f.Report()
	b.ReportMetric((processorTime(b) - begin).Seconds(), "report-cpu-s")
	for _, format := range render.Formats() {
		begin := processorTime(b)
		b.ReportMetric(float64(lengthOf(b, format, r))/1e6, string(format.Form)+"-MB")
		b.ReportMetric((processorTime(b) - begin).Seconds(), string(format.Form)+"-cpu-s")
	}
	b.ReportMetric(peakMemory(b)/story.Mib, "peak-MiB")
}

// peakMemory returns the most resident memory that the process had, in bytes, since it was told to forget.
func peakMemory(tb testing.TB) float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		tb.Fatal(err)
	}
	_, rest, _ := bytes.Cut(status, []byte("VmHWM:"))
	var kib float64
	if _, err := fmt.Sscan(strings.TrimSpace(string(rest)), &kib); err != nil {
		tb.Fatal(err)
	}
	return kib * 1024
}
