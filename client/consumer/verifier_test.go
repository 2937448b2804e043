package consumer

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bulkhead/client/consumer/disk"
	"bulkhead/client/verify"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

const (
	verifyRollover   = bulkheadv1.VerifyMode_VERIFY_MODE_ROLLOVER
	verifyEnd        = bulkheadv1.VerifyMode_VERIFY_MODE_END
	verifyContinuous = bulkheadv1.VerifyMode_VERIFY_MODE_CONTINUOUS
)

// verifying edits a task to one that reads back.
func verifying(mode bulkheadv1.VerifyMode, edit func(*bulkheadv1.ConsumerTask)) func(*bulkheadv1.ConsumerTask) {
	return func(task *bulkheadv1.ConsumerTask) {
		task.Spec.Verify = mode
		task.RunId, task.ClientId = testRun, []byte(testClient)
		if edit != nil {
			edit(task)
		}
	}
}

// watchedDisk is a real folder of which the test is told before a file is read back.
type watchedDisk struct {
	disk.Disk
	folder string
	before func(path string)
}

func (d *watchedDisk) ReadBack(name string) (*verify.File, error) {
	d.before(filepath.Join(d.folder, name))
	return d.Disk.ReadBack(name)
}

// watched returns a consumer on such a folder.
func watched(before func(path string)) *Consumer {
	c := New(Options{})
	c.open = func(folder string) (disk.Disk, error) {
		d, err := disk.Open(folder)
		return &watchedDisk{d, folder, before}, err
	}
	return c
}

// flipByte changes one byte of a file.
func flipByte(t *testing.T, path string, at int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Error(err)
		return
	}
	defer f.Close()
	var one [1]byte
	if _, err := f.ReadAt(one[:], at); err != nil {
		t.Error(err)
	}
	one[0] ^= 0x20
	if _, err := f.WriteAt(one[:], at); err != nil {
		t.Error(err)
	}
}

// TestAnyKnobsReadBack runs drawn combinations of everything a consumer can be told and
// reads back what it wrote: all of it is sound.
func TestAnyKnobsReadBack(t *testing.T) {
	random := rand.New(rand.NewPCG(6, 2026))
	unit := directUnitOf(t, t.TempDir())
	for i := range 45 {
		spec := drawSpec(random, unit)
		mode := []bulkheadv1.VerifyMode{verifyRollover, verifyEnd, verifyContinuous}[i%3]
		t.Run(fmt.Sprintf("%d_%v", i, mode), func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			p := start(t, dial(t, New(Options{})),
				request(folder, 1, 1, verifying(mode, func(task *bulkheadv1.ConsumerTask) {
					spec.Path, spec.Index, spec.Verify = folder, 3, mode
					task.Spec, task.Keep = spec, true
				})))
			p.untilFiles(8)
			p.kill(2 * patience)
			messages := p.orderlyEnd()
			checkFiles(t, spec, messages)
			total := sum(messages)
			written, kept := uint64(0), uint64(0)
			want := bulkheadv1.Verification_VERIFICATION_OK
			if mode == verifyEnd {
				want = bulkheadv1.Verification_VERIFICATION_OFF
			}
			for _, r := range rollovers(messages) {
				written += r.GetSizeBytes()
				if r.GetVerification() != want {
					t.Errorf("%v", r)
				}
			}
			for _, name := range entries(t, folder) {
				info, err := os.Stat(filepath.Join(folder, name))
				if err != nil {
					t.Fatal(err)
				}
				kept += uint64(info.Size())
			}
			switch got := total.GetVerifiedBytes(); {
			case mode == verifyRollover && got != written, mode == verifyEnd && got != kept, mode == verifyContinuous &&
				got < written:
				t.Errorf("%d bytes were read back, %d were written, %d are there", got, written, kept)
			}
			if c := corruptions(messages); len(c) > 0 || total.GetCorruptBlocks() != 0 || total.GetErrors() != 0 {
				t.Errorf("%d corrupt blocks, %d errors (%s): %v", total.GetCorruptBlocks(), total.GetErrors(),
					total.GetLastError(), c)
			}
			if t.Failed() {
				t.Logf("spec: %v", spec)
			}
		})
	}
}

// TestCorruptFilesAreNamed damages every other file before it is read.
func TestCorruptFilesAreNamed(t *testing.T) {
	for _, mode := range []bulkheadv1.VerifyMode{verifyRollover, verifyEnd} {
		t.Run(mode.String(), func(t *testing.T) {
			folder := t.TempDir()
			damaged := make(map[string]bool)
			consumer := watched(func(path string) {
				var number int
				if _, err := fmt.Sscanf(filepath.Base(path), "load-%d.dat", &number); err != nil {
					t.Error(err)
				}
				if number%2 == 0 {
					damaged[path] = true
					flipByte(t, path, 2*4096+100)
				}
			})
			p := start(t, dial(t, consumer), request(folder, 10_000, 30_000, verifying(mode, nil)))
			p.untilFiles(8)
			p.kill(patience)
			messages := p.orderlyEnd()
			found := corruptions(messages)
			if len(damaged) == 0 || len(found) != len(damaged) ||
				sum(messages).GetCorruptBlocks() != uint64(len(damaged)) {
				t.Fatalf("%d files are damaged: %d corrupt blocks, %v", len(damaged), sum(messages).GetCorruptBlocks(),
					found)
			}
			for _, c := range found {
				want := fmt.Sprintf("block of run %s, client %x, consumer 3, file %d, generation 1, offset 8 KiB",
					testRun, testClient, c.GetFileIndex())
				if !damaged[c.GetPath()] || c.GetOffsetBytes() != 8192 || c.GetLengthBytes() != 4096 ||
					c.GetKind() != bulkheadv1.CorruptionKind_CORRUPTION_KIND_FLIPPED || c.GetExpected() != want ||
					c.GetFound() == "" {
					t.Errorf("%v", c)
				}
			}
			for _, r := range rollovers(messages) {
				want := bulkheadv1.Verification_VERIFICATION_OK
				switch {
				case mode == verifyEnd:
					want = bulkheadv1.Verification_VERIFICATION_OFF
				case damaged[r.GetPath()]:
					want = bulkheadv1.Verification_VERIFICATION_FAILED
				}
				if r.GetVerification() != want {
					t.Errorf("%v, want %v", r, want)
				}
			}
		})
	}
}

// TestDamageDuringAContinuousLoad damages a finished file while others are written.
func TestDamageDuringAContinuousLoad(t *testing.T) {
	const size = 16 * 4096
	for _, c := range []struct {
		name   string
		damage func(t *testing.T, path string)
		kind   bulkheadv1.CorruptionKind
		at     uint64
		found  string
	}{
		{"flip", func(t *testing.T, path string) { flipByte(t, path, 3*4096+2000) },
			bulkheadv1.CorruptionKind_CORRUPTION_KIND_FLIPPED, 3 * 4096, "sector 3 changed"},
		{"swap", swapBlocks, bulkheadv1.CorruptionKind_CORRUPTION_KIND_MISPLACED, 2 * 4096,
			"file 0, generation 1, offset 28 KiB"},
		{"truncate", func(t *testing.T, path string) {
			if err := os.Truncate(path, 5*4096); err != nil {
				t.Error(err)
			}
		}, bulkheadv1.CorruptionKind_CORRUPTION_KIND_TRUNCATED, 5 * 4096, "the end of the file, at 20480 of 65536 B"},
		{"zeros", func(t *testing.T, path string) {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			if _, err := f.WriteAt(make([]byte, 3*4096), 4*4096); err != nil {
				t.Error(err)
			}
		}, bulkheadv1.CorruptionKind_CORRUPTION_KIND_LOST, 4 * 4096, "zeros"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			p := start(t, dial(t, New(Options{})),
				request(folder, 4096, size, verifying(verifyContinuous, func(task *bulkheadv1.ConsumerTask) {
					task.Spec.KeepFiles, task.Spec.RateBytesPerSecond = 0, 10*size
				})))
			p.untilFiles(2)
			path := filepath.Join(folder, "load-00000000.dat")
			c.damage(t, path)
			p.until("Corruption", func(m []*bulkheadv1.Message) bool { return len(corruptions(m)) > 0 })
			files := len(rollovers(p.messagesNow()))
			p.untilFiles(files + 1) // the load continues
			p.kill(patience)
			messages := p.orderlyEnd()
			first := corruptions(messages)[0]
			if first.GetPath() != path || first.GetFileIndex() != 0 || first.GetKind() != c.kind ||
				first.GetOffsetBytes() != c.at ||
				!strings.Contains(first.GetExpected(),
					fmt.Sprintf("consumer 3, file 0, generation 1, offset %d KiB",
						c.at>>10)) || !strings.Contains(first.GetFound(), c.found) {
				t.Errorf("%v", first)
			}
			for _, r := range rollovers(messages) {
				if r.GetVerification() != bulkheadv1.Verification_VERIFICATION_OK {
					t.Errorf("%v was read before it was damaged", r)
				}
			}
		})
	}
}

// swapBlocks swaps two blocks of a file.
func swapBlocks(t *testing.T, path string) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Error(err)
		return
	}
	defer f.Close()
	a, b := make([]byte, 4096), make([]byte, 4096)
	for _, do := range []func() (int, error){
		func() (int, error) { return f.ReadAt(a, 2*4096) }, func() (int, error) { return f.ReadAt(b, 7*4096) },
		func() (int, error) { return f.WriteAt(a, 7*4096) }, func() (int, error) { return f.WriteAt(b, 2*4096) },
	} {
		if _, err := do(); err != nil {
			t.Error(err)
		}
	}
}

// TestAnOlderBlockIsStale restores a block of the generation before in files that are
// written over in place.
func TestAnOlderBlockIsStale(t *testing.T) {
	folder := t.TempDir()
	older := make(map[string][]byte)
	read := make(map[string]int)
	consumer := watched(func(path string) {
		read[path]++
		data, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
			return
		}
		if read[path] == 2 {
			copy(data[3*4096:], older[path][3*4096:4*4096])
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Error(err)
			}
		}
		older[path] = data
	})
	p := start(t, dial(t, consumer),
		request(folder, 4096, 8*4096, verifying(verifyRollover, func(task *bulkheadv1.ConsumerTask) {
			task.Spec.Recycle, task.Spec.KeepFiles = true, 1
		})))
	p.untilFiles(6)
	p.kill(patience)
	found := corruptions(p.orderlyEnd())
	if len(found) != len(read) {
		t.Fatalf("%d files: %v", len(read), found)
	}
	for _, c := range found {
		if c.GetKind() != bulkheadv1.CorruptionKind_CORRUPTION_KIND_STALE || c.GetOffsetBytes() != 3*4096 ||
			!strings.HasSuffix(c.GetExpected(), "generation 2, offset 12 KiB") ||
			!strings.HasSuffix(c.GetFound(), "generation 1, offset 12 KiB") {
			t.Errorf("%v", c)
		}
	}
}

// TestCorruptionsAreBounded damages every other block of a file.
func TestCorruptionsAreBounded(t *testing.T) {
	const blocks = 2500
	folder := t.TempDir()
	damaged := false
	consumer := watched(func(path string) {
		if damaged {
			return
		}
		damaged = true
		for at := int64(0); at < blocks; at += 2 {
			flipByte(t, path, at*4096+70)
		}
	})
	p := start(t, dial(t, consumer), request(folder, 1<<20, blocks*4096, verifying(verifyRollover, nil)))
	p.untilFiles(2)
	p.kill(patience)
	messages := p.orderlyEnd()
	if n, blocksFound := len(corruptions(messages)), sum(messages).GetCorruptBlocks(); n != maxCorruptions ||
		blocksFound != blocks/2 {
		t.Errorf("%d Corruptions, %d corrupt blocks; want %d and %d", n, blocksFound, maxCorruptions, blocks/2)
	}
}

// TestACorruptBlockEndsAJobThatIsToStop sets on_error: stop.
func TestACorruptBlockEndsAJobThatIsToStop(t *testing.T) {
	folder := t.TempDir()
	consumer := watched(func(path string) { flipByte(t, path, 4096) })
	messages, err := start(t, dial(t, consumer),
		request(folder, 4096, 65536, verifying(verifyRollover, func(task *bulkheadv1.ConsumerTask) {
			task.Spec.StopOnError = true
		}))).end()
	if s := status.Convert(err); s.Code() != codes.Aborted ||
		!strings.Contains(s.Message(), "verify: 1 corrupt blocks in "+filepath.Join(folder, "load-00000000.dat")) {
		t.Errorf("Run = %v", err)
	}
	if len(corruptions(messages)) == 0 {
		t.Error("and no Corruption")
	}
}

// TestAFileThatIsGoneFails removes a file before it is read.
func TestAFileThatIsGoneFails(t *testing.T) {
	consumer := watched(func(path string) {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	})
	p := start(t, dial(t, consumer), request(t.TempDir(), 4096, 65536, verifying(verifyRollover, nil)))
	p.untilFiles(3)
	p.kill(patience)
	messages := p.orderlyEnd()
	for _, r := range rollovers(messages) {
		if r.GetVerification() != bulkheadv1.Verification_VERIFICATION_FAILED {
			t.Errorf("%v", r)
		}
	}
	if total := sum(messages); total.GetErrors() != uint64(len(rollovers(messages))) ||
		!strings.Contains(total.GetLastError(), "no such file") {
		t.Errorf("%d errors, the last: %s", total.GetErrors(), total.GetLastError())
	}
}

// TestAReadThatIsStuck holds up the first reading: the consumer is stalled, writes no
// more than it has room for, and ends in time without having read everything.
func TestAReadThatIsStuck(t *testing.T) {
	folder := t.TempDir()
	stuck, release := make(chan struct{}), make(chan struct{})
	first := true
	consumer := watched(func(string) {
		if first {
			first = false
			close(stuck)
			<-release
		}
	})
	p := start(t, dial(t, consumer),
		request(folder, 4096, 65536, verifying(verifyRollover, func(task *bulkheadv1.ConsumerTask) {
			task.StallAfterNano, task.Keep, task.Spec.Concurrency = int64(time.Millisecond), true, 3
		})))
	<-stuck
	p.untilState(bulkheadv1.WorkerState_WORKER_STATE_STALLED)
	p.until("files of all writers", func(m []*bulkheadv1.Message) bool { return sum(m).GetBytes() == 4*65536 })
	if names := entries(t, folder); len(names) != 4 {
		t.Errorf("with one file being read and three waiting there are %v", names)
	}
	p.kill(time.Millisecond)
	p.until("Rollovers of those that wait", func(m []*bulkheadv1.Message) bool { return len(rollovers(m)) == 3 })
	close(release)
	messages := p.orderlyEnd()
	for _, r := range rollovers(messages) {
		if r.GetVerification() != bulkheadv1.Verification_VERIFICATION_OFF {
			t.Errorf("%v", r)
		}
	}
	if total := sum(messages); total.GetErrors() != 1 || total.GetVerifyErrors() != 1 ||
		total.GetLastError() != "verify: 4 files with 262144 B were not read back to the end: the time for that was "+
			"over; raise kill_timeout, of which half is for that" {
		t.Errorf("%d errors, the last: %s", total.GetErrors(), total.GetLastError())
	}
}

// TestKillEndsReadingAtTheEnd leaves no time for that.
func TestKillEndsReadingAtTheEnd(t *testing.T) {
	consumer := watched(func(path string) { t.Errorf("%s was read", path) })
	p := start(t, dial(t, consumer), request(t.TempDir(), 4096, 65536, verifying(verifyEnd, nil)))
	p.untilFiles(3)
	p.kill(0)
	if total := sum(p.orderlyEnd()); total.GetErrors() != 1 ||
		!strings.HasSuffix(total.GetLastError(), "were not read back to the end: the time for that was over") ||
		total.GetVerifiedBytes() != 0 {
		t.Errorf("%v", total)
	}
}

// TestAbandonEndsReading abandons a consumer that reads continuously.
func TestAbandonEndsReading(t *testing.T) {
	folder := t.TempDir()
	consumer := New(Options{})
	p := start(t, dial(t, consumer), request(folder, 65536, 1<<20, verifying(verifyContinuous, nil)))
	p.untilFiles(3)
	consumer.Abandon()
	if _, err := p.end(); err != nil {
		t.Errorf("Run = %v", err)
	}
	if names := entries(t, folder); len(names) != 0 {
		t.Errorf("left over: %v", names)
	}
}
