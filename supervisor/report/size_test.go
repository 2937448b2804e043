package report

import (
	"fmt"
	"io"
	"runtime"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"bulkhead/internal/latency"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// crowd tells the story of many clients without keeping it: add gets each record, which
// is not used again. Each client has consumers that write, sync, create and close for seconds.
func crowd(t testing.TB, clients, consumers uint32, seconds int, add func(*bulkheadv1.Record)) (messages uint64) {
	s := newStory(t, clients)
	s.each = consumers
	tell := func() {
		for _, r := range s.records {
			add(r)
		}
		s.records = s.records[:0]
	}
	actors := make([]*actor, clients)
	connections := make(map[uint32]uint64)
	for i := range actors {
		n := uint32(i + 1)
		a := s.at(time.Duration(n)*time.Millisecond).arrive(fmt.Sprintf("client-%03d", n), n, uint64(n), int32(4710+n), time.Duration(i%7)*time.Millisecond)
		connections[n] = uint64(n)
		a.start()
		actors[i] = a
		tell()
	}
	// Ten shapes of latencies, each over three decades.
	var shapes []*bulkheadv1.Histogram
	for k := range 10 {
		var h latency.Histogram
		for i := range 60 {
			h.Add(time.Duration(100_000*(k+10)/10)<<(i%10)+time.Duration(actors[0].random.IntN(90_000)), uint64(1+i%3))
		}
		shapes = append(shapes, h.Proto())
	}
	once := actors[0].sampled(1, 100*time.Microsecond)
	for n := 1; n <= seconds; n++ {
		for i, a := range actors {
			a.at(time.Duration(n)*time.Second + time.Duration(i)*time.Millisecond)
			list := make([]*bulkheadv1.Message, 0, 12)
			for c := range a.consumers {
				list = append(list, a.sample(c, n), &bulkheadv1.Message{Process: a.process(kindConsumer, c), Fact: &bulkheadv1.Message_Progress{
					Progress: &bulkheadv1.Progress{IntervalNano: int64(time.Second), Bytes: 120 * mib, Chunks: 120, ChunkWrite: shapes[(n+i+int(c))%len(shapes)],
						Sync: shapes[(n+i)%len(shapes)], Create: once, Close: once}}})
				if (n+i)%int(consumers) == int(c) {
					list = append(list, a.rollover(c, uint64(n), false))
				}
			}
			if n%2 == 0 {
				list = append(list, a.heartbeat(uint64(n/2)))
			}
			a.say(list...)
			tell()
		}
	}
	for _, a := range actors {
		messages += a.seq
	}
	leaveEvery(time.Millisecond, time.Duration(seconds+1)*time.Second, connections, actors...)
	s.at(time.Duration(seconds+3)*time.Second).ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
	tell()
	return messages
}

// processorTime is what the process has used so far, so that whatever else the machine does
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
				f := NewFolder()
				var stats runtime.MemStats
				var peak uint64
				see := func() {
					runtime.ReadMemStats(&stats)
					peak = max(peak, stats.HeapAlloc)
				}
				var records uint64
				var folding time.Duration
				messages := crowd(b, 500, 4, seconds, func(r *bulkheadv1.Record) {
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
				b.ReportMetric(float64(peak)/mib, "peak-MiB")
			}
		})
	}
}
