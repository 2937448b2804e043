package web

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	runtimemetrics "runtime/metrics"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"bulkhead/internal/latency"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/journal"
)

// crowdJournal writes the journal of many clients of four consumers each, with every kind of
// latency, over ten minutes, and returns its folder and how many messages it holds.
func crowdJournal(b *testing.B, clients uint32) (dir string, messages uint64) {
	dir = filepath.Join(b.TempDir(), "journal")
	j, err := journal.Create(dir, journal.Options{Sync: journal.SyncNone})
	if err != nil {
		b.Fatal(err)
	}
	begin := time.Date(2026, 3, 2, 14, 0, 0, 0, time.UTC)
	add := func(after time.Duration, r *bulkheadv1.Record) {
		r.TimeUnixNano = begin.Add(after).UnixNano()
		if err := j.Append(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
	add(0,
		&bulkheadv1.Record{Entry: &bulkheadv1.Record_RunStarted{
			RunStarted: &bulkheadv1.RunStarted{RunId: "R", ExpectedClients: clients}}})
	random := rand.New(rand.NewPCG(7, 7))
	for c := range clients {
		specs := make([]*bulkheadv1.ConsumerSpec, 4)
		for i := range specs {
			specs[i] = &bulkheadv1.ConsumerSpec{Index: uint32(i), Path: "/mnt/data", ChunkSizeBytes: 1 << 20,
				FileSizeBytes: 1 << 30, RateChunksPerSecond: 50}
		}
		add(0,
			&bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionOpened{
				SessionOpened: &bulkheadv1.SessionOpened{Session: c + 1,
					Hello: &bulkheadv1.Hello{ClientId: fmt.Appendf(nil, "client %8d", c),
						Name:     fmt.Sprintf("client-%03d", c),
						Workload: &bulkheadv1.Workload{Consumers: specs}}}}})
	}
	sample := func(middle time.Duration) *bulkheadv1.Histogram {
		var h latency.Histogram
		for range 40 {
			h.Add(time.Duration(float64(middle)*(0.5+8*random.Float64()*random.Float64())), 12)
		}
		return h.Proto()
	}
	const step = 10 * time.Second
	seq := make([]uint64, clients)
	for n := 1; n <= 60; n++ {
		now := time.Duration(n) * step
		for c := range clients {
			var list []*bulkheadv1.Message
			say := func(kind bulkheadv1.ProcessKind, index uint32, m *bulkheadv1.Message) {
				seq[c]++
				m.Seq, m.TimeUnixNano = seq[c], begin.Add(now).UnixNano()
				m.Process = &bulkheadv1.Process{Kind: kind, Index: index, Pid: int32(100 + index)}
				list = append(list, m)
			}
			for i := range uint32(4) {
				say(bulkheadv1.ProcessKind_PROCESS_KIND_CONSUMER, i,
					&bulkheadv1.Message{Fact: &bulkheadv1.Message_Progress{Progress: &bulkheadv1.Progress{
						IntervalNano: int64(step), Bytes: 480 << 20, Chunks: 480, VerifiedBytes: 480 << 20,
						ChunkWrite: sample(time.Millisecond), Response: sample(5 * time.Millisecond),
						Sync:   sample(4 * time.Millisecond),
						Create: sample(100 * time.Microsecond), Close: sample(10 * time.Microsecond),
					}}})
				say(bulkheadv1.ProcessKind_PROCESS_KIND_CONSUMER, i,
					&bulkheadv1.Message{Fact: &bulkheadv1.Message_Monitor{Monitor: &bulkheadv1.Monitor{
						UserCpuNano: int64(now / 10), SystemCpuNano: int64(now / 5), ResidentBytes: 21 << 20,
						ElapsedNano: int64(now)}}})
				say(bulkheadv1.ProcessKind_PROCESS_KIND_CONSUMER, i,
					&bulkheadv1.Message{Fact: &bulkheadv1.Message_Rollover{Rollover: &bulkheadv1.Rollover{
						Path:      fmt.Sprintf("/mnt/data/bulkhead-client-%03d/consumer-%d/%08d.dat", c, i, n),
						FileIndex: uint64(n), SizeBytes: 1 << 30,
						CreateNano: 90_000, WriteNano: 5e9, SyncNano: 41e6, CloseNano: 11_000}}})
			}
			data, err := proto.Marshal(&bulkheadv1.Batch{Messages: list})
			if err != nil {
				b.Fatal(err)
			}
			first := seq[c] - uint64(len(list)) + 1
			add(now+time.Duration(c)*time.Millisecond,
				&bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionBatch{SessionBatch: &bulkheadv1.SessionBatch{
					Session: c + 1, FirstSeq: first, LastSeq: seq[c], Batch: data}}})
			messages += uint64(len(list))
		}
	}
	if err := j.Close(); err != nil {
		b.Fatal(err)
	}
	return dir, messages
}

// BenchmarkFoldingMemory measures what the report so far of 500 clients holds in memory, in MiB:
// the fold alone, with the last JSON and page beside it, and the most there was at a time,
// garbage included.
func BenchmarkFoldingMemory(b *testing.B) {
	dir, messages := crowdJournal(b, 500)
	runtime.GC()
	live := func() float64 {
		runtime.GC()
		return heapMiB()
	}
	base := live()
	for b.Loop() {
		most := watchHeap()
		f := newFolding(&scripted{journal: dir}, slog.New(slog.DiscardHandler))
		for f.fold(); f.behind; {
			f.fold()
		}
		b.ReportMetric(live()-base, "fold-MiB")
		for as := range forms {
			if r := f.report(as); r.err != nil {
				b.Fatal(r.err)
			}
		}
		b.ReportMetric(float64(len(f.last[asJSON].data))/(1<<20), "json-MiB")
		b.ReportMetric(float64(len(f.last[asPage].data))/(1<<20), "page-MiB")
		b.ReportMetric(live()-base, "with-reports-MiB")
		b.ReportMetric(most()-base, "peak-MiB")
		b.ReportMetric(float64(messages), "messages")
		f.leave()
	}
}

func heapMiB() float64 {
	s := []runtimemetrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	runtimemetrics.Read(s)
	return float64(s[0].Value.Uint64()) / (1 << 20)
}

// watchHeap looks at the heap again and again until most is called, which returns the most
// it saw.
func watchHeap() (most func() float64) {
	done := make(chan struct{})
	var watching sync.WaitGroup
	highest := heapMiB()
	watching.Go(func() {
		again := time.NewTicker(2 * time.Millisecond)
		defer again.Stop()
		for {
			select {
			case <-again.C:
				highest = max(highest, heapMiB())
			case <-done:
				return
			}
		}
	})
	return func() float64 {
		close(done)
		watching.Wait()
		return highest
	}
}
