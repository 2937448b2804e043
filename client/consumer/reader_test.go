package consumer

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bulkhead/client/names"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// readingTask edits a task to one with readers.
func readingTask(read *bulkheadv1.ReadSpec, edit func(*bulkheadv1.ConsumerSpec)) func(*bulkheadv1.ConsumerTask) {
	return func(task *bulkheadv1.ConsumerTask) {
		task.RunId, task.ClientId = testRun, []byte(testClient)
		task.Spec.Read = read
		if edit != nil {
			edit(task.Spec)
		}
	}
}

// readSum adds up what readers did.
func readSum(messages []*bulkheadv1.Message) *bulkheadv1.Progress {
	total := sum(messages)
	for _, p := range progresses(messages) {
		total.ReadBytes += p.GetReadBytes()
		total.Reads += p.GetReads()
		total.ReadErrors += p.GetReadErrors()
		total.ReadVerifiedBytes += p.GetReadVerifiedBytes()
		total.ReadToldBytes += p.GetReadToldBytes()
		total.ReadCachedBytes += p.GetReadCachedBytes()
	}
	return total
}

// untilRead waits for that many reads.
func (p *parent) untilRead(n uint64) {
	p.t.Helper()
	p.until("enough reads", func(m []*bulkheadv1.Message) bool { return readSum(m).GetReads() >= n })
}

// TestReadersReadWhatIsFinished reads beside writers that remove, write over and keep files, in
// memory and on the disk: everything read is sound, timed, and counted once.
func TestReadersReadWhatIsFinished(t *testing.T) {
	for _, where := range []string{"memory", "disk", "O_DIRECT"} {
		for i, pattern := range []bulkheadv1.Pattern{bulkheadv1.Pattern_PATTERN_SEQUENTIAL,
			bulkheadv1.Pattern_PATTERN_RANDOM} {
			for _, files := range []string{"removed", "written over", "kept"} {
				t.Run(fmt.Sprint(where, "/", pattern, "/", files), func(t *testing.T) {
					t.Parallel()
					folder := t.TempDir()
					if where == "memory" {
						folder = inMemory(t)
					}
					size := uint64(4096)
					if where == "O_DIRECT" {
						unit := directUnitOf(t, folder)
						if unit == 0 {
							t.Skip("no O_DIRECT here")
						}
						size = max(size, unit)
					}
					p := start(t, dial(t, New(Options{})), request(folder, 4*size, 64*size+uint64(i*512), readingTask(
						&bulkheadv1.ReadSpec{Readers: 2, SizeBytes: 2 * size, Pattern: pattern, Verify: true},
						func(spec *bulkheadv1.ConsumerSpec) {
							spec.Direct = where == "O_DIRECT"
							spec.Recycle = files == "written over"
							if files == "kept" {
								spec.KeepFiles, spec.RateBytesPerSecond = 0, 1<<20
							}
						})))
					p.untilFiles(6)
					p.untilRead(200)
					p.kill(time.Minute)
					messages := p.orderlyEnd()
					total := readSum(messages)
					if total.GetErrors() > 0 || total.GetCorruptBlocks() > 0 || len(corruptions(messages)) > 0 {
						t.Errorf("%d errors (%s), %v", total.GetErrors(), total.GetLastError(), corruptions(messages))
					}
					if total.GetReadVerifiedBytes() != total.GetReadBytes() || total.GetVerifiedBytes() > 0 ||
						total.GetReadBytes() > total.GetReads()*2*size {
						t.Errorf("%d B in %d reads, %d B compared", total.GetReadBytes(), total.GetReads(),
							total.GetReadVerifiedBytes())
					}
					if n := merged(t, messages, (*bulkheadv1.Progress).GetRead).Count(); n != total.GetReads() {
						t.Errorf("%d of %d reads are timed", n, total.GetReads())
					}
					if told, cached := total.GetReadToldBytes(), total.GetReadCachedBytes(); cached > told ||
						where == "O_DIRECT" && cached > 0 || where == "memory" && cached != told {
						t.Errorf("%d of %d B came from the page cache", cached, told)
					}
					if left := entries(t, folder); len(left) > 0 {
						t.Errorf("left: %v", left)
					}
				})
			}
		}
	}
}

// inMemory returns a folder in tmpfs.
func inMemory(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("/dev/shm", "readers-")
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	return folder
}

// TestReadersFindWhatIsWrong changes a byte of a finished file, and puts a block of another file in
// the place of one: each is said once, however often it is read, and both sides are named.
func TestReadersFindWhatIsWrong(t *testing.T) {
	for _, keep := range []uint32{0, 100_000} { // of 0, only the number of a file is kept
		t.Run(fmt.Sprint(keep), func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			p := start(t, dial(t, New(Options{})), request(folder, 8192, 32768, readingTask(
				&bulkheadv1.ReadSpec{Readers: 2, SizeBytes: 4096, Verify: true},
				func(spec *bulkheadv1.ConsumerSpec) { spec.KeepFiles, spec.RateChunksPerSecond = keep, 20 })))
			p.untilFiles(2)
			first, second := filepath.Join(folder, names.LoadFile(0)), filepath.Join(folder, names.LoadFile(1))
			flipByte(t, first, 5000)
			block, err := os.ReadFile(second)
			if err != nil {
				t.Fatal(err)
			}
			f, err := os.OpenFile(first, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteAt(block[12288:16384], 16384); err != nil {
				t.Fatal(err)
			}
			f.Close()
			p.until("both to be found", func(m []*bulkheadv1.Message) bool { return len(corruptions(m)) >= 2 })
			p.untilRead(readSum(p.messagesNow()).GetReads() + 2000) // which reads them again
			p.kill(time.Minute)
			messages := p.orderlyEnd()
			list := corruptions(messages)
			if n := sum(messages).GetCorruptBlocks(); n != 2 || len(list) != 2 {
				t.Fatalf("%d blocks and %v, want 2", n, list)
			}
			kinds := make(map[bulkheadv1.CorruptionKind]*bulkheadv1.Corruption)
			for _, c := range list {
				kinds[c.GetKind()] = c
			}
			if c := kinds[bulkheadv1.CorruptionKind_CORRUPTION_KIND_FLIPPED]; c.GetOffsetBytes() != 4096 ||
				c.GetPath() != first {
				t.Errorf("flipped: %v", c)
			}
			c := kinds[bulkheadv1.CorruptionKind_CORRUPTION_KIND_MISPLACED]
			if c.GetOffsetBytes() != 16384 || !strings.Contains(c.GetExpected(), "file 0") ||
				!strings.Contains(c.GetFound(), "file 1") {
				t.Errorf("misplaced: %v", c)
			}
		})
	}
}

// TestAFileIsRemovedUnderReaders by somebody else: that is counted, as theirs and not as the writers',
// and the other files are read on.
func TestAFileIsRemovedUnderReaders(t *testing.T) {
	folder := t.TempDir()
	p := start(t, dial(t, New(Options{})), request(folder, 8192, 32768, readingTask(
		&bulkheadv1.ReadSpec{Readers: 1},
		func(spec *bulkheadv1.ConsumerSpec) { spec.KeepFiles, spec.RateChunksPerSecond = 0, 40 })))
	p.untilFiles(2)
	if err := os.Remove(filepath.Join(folder, names.LoadFile(0))); err != nil {
		t.Fatal(err)
	}
	p.until("a failure", func(m []*bulkheadv1.Message) bool { return readSum(m).GetReadErrors() > 0 })
	p.untilRead(readSum(p.messagesNow()).GetReads() + 20)
	p.kill(time.Minute)
	total := readSum(p.orderlyEnd())
	if total.GetErrors() != total.GetReadErrors() || total.GetVerifyErrors() != total.GetReadErrors() ||
		!strings.Contains(total.GetLastError(), names.LoadFile(0)) {
		t.Errorf("%d errors, %d of reading back, %d of readers: %s", total.GetErrors(), total.GetVerifyErrors(),
			total.GetReadErrors(), total.GetLastError())
	}
}

// TestAStuckRead is a stall; the file that it is in is not removed, writing goes on as far as it
// may, and the end comes when the read returns.
func TestAStuckRead(t *testing.T) {
	stuck, freed := make(chan string, 1), make(chan struct{})
	d := newScriptedDisk(func(c call) (int, error) {
		if c.op == "read" {
			select {
			case stuck <- c.path:
				<-freed
			default:
			}
		}
		return 0, nil
	})
	folder := t.TempDir()
	p := start(t, dial(t, newConsumer(Options{}, d)), request(folder, 4096, 8192, func(task *bulkheadv1.ConsumerTask) {
		readingTask(&bulkheadv1.ReadSpec{Readers: 1}, nil)(task)
		task.StallAfterNano = int64(50 * time.Millisecond)
	}))
	path := <-stuck
	if stalled := p.untilState(bulkheadv1.WorkerState_WORKER_STATE_STALLED).GetStalledNano(); stalled <= 0 {
		t.Errorf("stalled for %d ns", stalled)
	}
	for _, c := range d.of("remove") {
		if c.path == path {
			t.Errorf("%s is removed while it is being read", path)
		}
	}
	p.kill(time.Minute)
	select {
	case <-p.ended:
		t.Error("the job ended with a read in the kernel")
	default:
	}
	close(freed)
	p.orderlyEnd()
	if now, _ := d.left(); now > 0 {
		t.Errorf("%d files are left", now)
	}
}

// TestReadRates plays 10 s of reads that take 1 ms, of which one takes 1 s: the rate is kept over
// all, and the response times have the waiting in them.
func TestReadRates(t *testing.T) {
	for _, stall := range []time.Duration{0, time.Second} {
		synctest.Test(t, func(t *testing.T) {
			var reads atomic.Int64
			d := newScriptedDisk(func(c call) (int, error) {
				switch c.op {
				case "read":
					if reads.Add(1) == 200 {
						time.Sleep(stall)
					}
					time.Sleep(time.Millisecond)
				case "write":
					time.Sleep(10 * time.Millisecond)
				}
				return 0, nil
			})
			messages := play(t, d, 10*time.Second-time.Microsecond, 0, readingTask(
				&bulkheadv1.ReadSpec{Readers: 2, RateOperationsPerSecond: 100, SizeBytes: 1},
				func(spec *bulkheadv1.ConsumerSpec) { spec.KeepFiles = 2 }))
			n := readSum(messages).GetReads()
			response := merged(t, messages, (*bulkheadv1.Progress).GetReadResponse)
			if n < 970 || n > 1000 || response.Count() < n || response.Count() > n+2 {
				t.Errorf("%d reads with %d response times in 10 s from the first file on, want a bit less than 1000", n,
					response.Count())
			}
			if longest := response.Max(); longest < stall || longest > stall+50*time.Millisecond {
				t.Errorf("the longest response time is %v, want about %v", longest, stall)
			}
		})
	}
}
