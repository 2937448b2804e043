package block

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkWriters measures what writers that share a pool cost, beside writers that have one each: the
// ratio of the processor time that chunks take until they are in the page cache of memory files,
// written in turn by one thread. Both are measured in turn in one run; the figure is the median of
// the pairs.
func BenchmarkWriters(b *testing.B) {
	for _, d := range []Data{{Random, 0}, {Zeros, 0}, {Dedupable, 50}} {
		for _, chunk := range []int{4096, 16 << 10, 32 << 10, 64 << 10, 128 << 10, 1 << 20} {
			for _, writers := range []int{4, 32, 256} {
				if writers*chunk > 64<<20 {
					continue
				}
				b.Run(fmt.Sprintf("%v/%dKiB×%d", d.Kind, chunk>>10, writers), func(b *testing.B) {
					benchmarkWriters(b, d, chunk, writers)
				})
			}
		}
	}
}

func benchmarkWriters(b *testing.B, d Data, chunk, writers int) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	fd, err := unix.MemfdCreate("bench", unix.MFD_CLOEXEC)
	if err != nil {
		b.Fatal(err)
	}
	defer unix.Close(fd)
	var sources [2]*Sources
	for i, l := range []plot{inPlace(d.Kind, chunk, writers), copied(d.Kind, chunk, writers)} {
		if sources[i], err = newSources(d, 0, chunk, l); err != nil {
			b.Fatal(err)
		}
		defer sources[i].Close()
		for w := range writers {
			f := testFile(d, 1<<40)
			f.Number = uint64(w)
			if err := sources[i].Source(w).Begin(f); err != nil {
				b.Fatal(err)
			}
		}
	}
	rounds := max(1, 16<<20/(chunk*writers))
	at := uint64(0)
	write := func(s *Sources) time.Duration {
		var before, after unix.Timespec
		_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &before)
		for range rounds {
			for w := range writers {
				data := s.Source(w).Chunk(at, chunk)
				if n, err := unix.Pwrite(fd, data, int64(w*chunk)); n != chunk {
					b.Fatal(err)
				}
			}
			at += uint64(chunk)
		}
		_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &after)
		return time.Duration(after.Nano() - before.Nano())
	}
	write(sources[0]) // takes the files' memory
	var ratios []float64
	for b.Loop() {
		var took [2]time.Duration
		for i := range 2 {
			which := (i + len(ratios)) % 2
			took[which] = write(sources[which])
		}
		ratios = append(ratios, float64(took[1])/float64(took[0]))
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "copied/in-place")
	b.ReportMetric(0, "ns/op")
}
