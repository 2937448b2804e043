package journal

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// countingDisk counts the fsyncs of segment files.
type countingDisk struct {
	folder
	syncs *atomic.Int64
}

type countingFile struct {
	segmentFile
	syncs *atomic.Int64
}

func (d countingDisk) create(name string) (segmentFile, error) {
	f, err := d.folder.create(name)
	return countingFile{f, d.syncs}, err
}

func (f countingFile) Sync() error {
	f.syncs.Add(1)
	return f.segmentFile.Sync()
}

// monitorBatch returns a record of n messages of the size that a monitor sends.
func monitorBatch(b *testing.B, n int) *bulkheadv1.Record {
	batch := &bulkheadv1.Batch{}
	for seq := 1; seq <= n; seq++ {
		batch.Messages = append(batch.Messages, &bulkheadv1.Message{
			Seq: uint64(seq), TimeUnixNano: 1_700_000_000_000_000_000,
			Process: &bulkheadv1.Process{Kind: bulkheadv1.ProcessKind_PROCESS_KIND_CONSUMER, Index: 1, Pid: 4711},
			Fact: &bulkheadv1.Message_Monitor{Monitor: &bulkheadv1.Monitor{
				UserCpuNano: 1e9, SystemCpuNano: 2e9, ResidentBytes: 1 << 24, Threads: 8, Fds: 12,
				WrittenBytes: 1 << 40, ElapsedNano: 1e10}}})
	}
	encoded, err := proto.Marshal(batch)
	if err != nil {
		b.Fatal(err)
	}
	return batchOf(1, 1, uint64(n), encoded)
}

// BenchmarkAppend has callers append one batch at a time, each waiting for its own. It
// reports messages a second and how many batches one fsync served.
func BenchmarkAppend(b *testing.B) {
	for _, mode := range []struct {
		name string
		sync Sync
	}{{"batch", SyncBatch}, {"none", SyncNone}} {
		for _, callers := range []int{1, 8, 64} {
			for _, messages := range []int{1, 16, 128} {
				b.Run(fmt.Sprintf("sync=%s/callers=%d/messages=%d", mode.name, callers, messages), func(b *testing.B) {
					benchmarkAppend(b, mode.sync, callers, messages)
				})
			}
		}
	}
}

func benchmarkAppend(b *testing.B, sync Sync, callers, messages int) {
	dir, rec := b.TempDir(), monitorBatch(b, messages)
	var syncs atomic.Int64
	f, err := create(dir, Options{Sync: sync}, countingDisk{folder(dir), &syncs})
	if err != nil {
		b.Fatal(err)
	}
	defer closeJournal(b, f)
	before := syncs.Load()
	b.ReportAllocs()
	b.ResetTimer()
	appendFrom(b, f, callers, rec)
	b.StopTimer()
	b.SetBytes(int64(proto.Size(rec)))
	b.ReportMetric(float64(b.N)*float64(messages)/b.Elapsed().Seconds(), "messages/s")
	if n := syncs.Load() - before; n > 0 {
		b.ReportMetric(float64(b.N)/float64(n), "batches/fsync")
	}
}

// appendFrom appends rec b.N times from a number of goroutines.
func appendFrom(b *testing.B, f *File, callers int, rec *bulkheadv1.Record) {
	var wg sync.WaitGroup
	var left atomic.Int64
	left.Store(int64(b.N))
	for range callers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := f.Append(b.Context(), rec); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// growing is the folder without zeros ahead.
type growing struct{ folder }

func (growing) gains() error { return errNoGain }

// BenchmarkAppendOverZeros appends in turn to a journal with zeros ahead of its writer and to one
// that grows, and reports the median and the tenth percentile of both: what else a busy disk does
// hits both alike.
func BenchmarkAppendOverZeros(b *testing.B) {
	rec := monitorBatch(b, 1)
	var took [2][]time.Duration
	var files [2]*File
	for i := range files {
		dir := b.TempDir()
		d := disk(folder(dir))
		if i == 1 {
			d = growing{folder(dir)}
		}
		var err error
		if files[i], err = create(dir, Options{}, d); err != nil {
			b.Fatal(err)
		}
		defer closeJournal(b, files[i])
	}
	for b.Loop() {
		for i, f := range files {
			begin := time.Now()
			if err := f.Append(b.Context(), rec); err != nil {
				b.Fatal(err)
			}
			took[i] = append(took[i], time.Since(begin))
		}
	}
	for i, name := range []string{"zeros", "growing"} {
		slices.Sort(took[i])
		b.ReportMetric(float64(took[i][len(took[i])/10].Nanoseconds())/1e3, "p10-µs-"+name)
		b.ReportMetric(float64(took[i][len(took[i])/2].Nanoseconds())/1e3, "p50-µs-"+name)
	}
}
