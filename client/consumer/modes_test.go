package consumer

import (
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bulkhead/client/consumer/disk"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// ops returns the calls of one file, in order.
func (d *scriptedDisk) ops(number string) []call {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []call
	for _, c := range d.calls {
		if c.inFile(number) {
			list = append(list, c)
		}
	}
	return list
}

// opsOf returns what calls do, in one line.
func opsOf(calls []call) string {
	var list []string
	for _, c := range calls {
		list = append(list, c.op)
	}
	return strings.Join(list, " ")
}

// TestCallsOfAFile pins what is asked of the file system for one file of 2500 bytes in
// chunks of 1000, or of 2560 in 1024.
func TestCallsOfAFile(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*bulkheadv1.ConsumerSpec)
		want string
		mode disk.Mode
	}{
		{"no sync", func(s *bulkheadv1.ConsumerSpec) {}, "create write write write close", disk.Mode{}},
		{"file", func(s *bulkheadv1.ConsumerSpec) { s.Sync = bulkheadv1.SyncPolicy_SYNC_POLICY_FILE },
			"create write write write sync close", disk.Mode{}},
		{"chunk", func(s *bulkheadv1.ConsumerSpec) { s.Sync = bulkheadv1.SyncPolicy_SYNC_POLICY_CHUNK },
			"create write datasync write datasync write datasync sync close", disk.Mode{}},
		{"bytes", func(s *bulkheadv1.ConsumerSpec) {
			s.Sync, s.SyncBytes = bulkheadv1.SyncPolicy_SYNC_POLICY_BYTES, 1500
		}, "create write write datasync write sync close", disk.Mode{}},
		{"dsync", func(s *bulkheadv1.ConsumerSpec) { s.Sync = bulkheadv1.SyncPolicy_SYNC_POLICY_DSYNC },
			"create write write write sync close", disk.Mode{DSync: true}},
		{"append", func(s *bulkheadv1.ConsumerSpec) { s.Pattern = bulkheadv1.Pattern_PATTERN_APPEND },
			"create write write write close", disk.Mode{Append: true}},
		{"preallocate", func(s *bulkheadv1.ConsumerSpec) { s.Preallocate = true },
			"create allocate write write write close", disk.Mode{}},
		{"direct, whole units", func(s *bulkheadv1.ConsumerSpec) {
			s.Direct, s.ChunkSizeBytes, s.FileSizeBytes = true, 1024, 2560
		}, "create write write write close", disk.Mode{Direct: true}},
		{"direct, a rest", func(s *bulkheadv1.ConsumerSpec) { s.Direct, s.ChunkSizeBytes = true, 1024 },
			"create write write clearDirect write setDirect close", disk.Mode{Direct: true}},
		{"direct, a rest of more than a unit", func(s *bulkheadv1.ConsumerSpec) {
			s.Direct, s.ChunkSizeBytes, s.FileSizeBytes = true, 1024, 2048+600
		}, "create write write write clearDirect write setDirect close", disk.Mode{Direct: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newScriptedDisk(slow(nil))
				messages := play(t, d, 50*time.Millisecond, time.Second, func(task *bulkheadv1.ConsumerTask) {
					task.Keep = true
					c.edit(task.Spec)
				})
				calls := d.ops("1")
				calls = calls[:slices.IndexFunc(calls, func(c call) bool { return c.op == "close" })+1]
				if got := opsOf(calls); got != c.want || calls[0].mode != c.mode {
					t.Errorf("calls: %s (%+v), want %s (%+v)", got, calls[0].mode, c.want, c.mode)
				}
				if total := sum(messages); total.GetErrors() != 0 {
					t.Errorf("%d errors: %s", total.GetErrors(), total.GetLastError())
				}
				checkPhases(t, messages, d)
			})
		})
	}
}

// checkPhases compares the histograms of the phases with the calls.
func checkPhases(t *testing.T, messages []*bulkheadv1.Message, d *scriptedDisk) {
	t.Helper()
	for _, c := range []struct {
		name string
		of   func(*bulkheadv1.Progress) *bulkheadv1.Histogram
		want int
	}{
		{"create", (*bulkheadv1.Progress).GetCreate, len(d.of("create"))},
		{"sync", (*bulkheadv1.Progress).GetSync, len(d.of("sync")) + len(d.of("datasync"))},
		{"close", (*bulkheadv1.Progress).GetClose, len(d.of("close"))},
	} {
		if h := merged(t, messages, c.of); h.Count() != uint64(c.want) {
			t.Errorf("%d times of %s, want %d", h.Count(), c.name, c.want)
		}
	}
}

// TestTheRestOfADirectFile looks at where the two parts of the last chunk go.
func TestTheRestOfADirectFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newScriptedDisk(slow(nil))
		messages := play(t, d, 50*time.Millisecond, time.Second, func(task *bulkheadv1.ConsumerTask) {
			task.Keep = true
			task.Spec.Direct, task.Spec.ChunkSizeBytes, task.Spec.FileSizeBytes = true, 1024, 1024+600
		})
		type write struct {
			offset uint64
			size   int
		}
		var writes []write
		for _, c := range d.ops("1") {
			if c.op == "write" {
				writes = append(writes, write{c.offset, c.size})
			}
		}
		if want := []write{{0, 1024}, {1024, 512}, {1536, 88}}; !slices.Equal(writes, want) {
			t.Errorf("writes %v, want %v", writes, want)
		}
		if r := rollovers(messages)[1]; r.GetSizeBytes() != 1624 || r.GetChunks() != 2 {
			t.Errorf("rollover %v", r)
		}
	})
}

// TestPrepareRefuses asks for what the file system cannot do.
func TestPrepareRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		script func(call) (int, error)
		edit   func(*bulkheadv1.ConsumerSpec)
		want   string
	}{
		{"no O_DIRECT", func(c call) (int, error) {
			if c.op == "directUnit" {
				return 0, disk.ErrNoDirect
			}
			return 0, nil
		}, func(
			s *bulkheadv1.ConsumerSpec) {
			s.Direct, s.ChunkSizeBytes = true, 512
		}, "does not write past the page cache"},
		{"a unit of 4 KiB", func(c call) (int, error) {
			if c.op == "directUnit" {
				return 4096, nil
			}
			return 0, nil
		}, func(
			s *bulkheadv1.ConsumerSpec) {
			s.Direct, s.ChunkSizeBytes = true, 512
		}, "direct with chunks of 512 B: this file system takes multiples of 4096 B"},
		{"no fallocate", func(c call) (int, error) {
			if c.op == "canAllocate" {
				return 0, disk.ErrNoAllocate
			}
			return 0, nil
		}, func(s *bulkheadv1.ConsumerSpec) { s.Preallocate = true }, "cannot allocate space"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newScriptedDisk(c.script)
				stream := &heldStream{ctx: t.Context()}
				err := newConsumer(Options{}, d).Run(request("/", 1000, 2500,
					func(task *bulkheadv1.ConsumerTask) { c.edit(task.Spec) }), stream)
				if s := status.Convert(err); s.Code() != codes.InvalidArgument ||
					!strings.Contains(s.Message(), c.want) {
					t.Errorf("Run = %v, want InvalidArgument with %q", err, c.want)
				}
				if len(d.of("create")) != 0 || len(stream.sent()) != 0 {
					t.Errorf("files were made, or messages sent: %v", stream.sent())
				}
			})
		})
	}
}

// TestReserve lets the free space fall by what is written.
func TestReserve(t *testing.T) {
	for _, c := range []struct {
		name        string
		preallocate bool
		files       int
	}{{"as it goes", false, 3}, {"at once", true, 3}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				free := 10_000
				d := newScriptedDisk(slow(func(c call) (int, error) {
					switch c.op {
					case "free":
						return free, nil
					case "write":
						free -= c.size
					}
					return 0, nil
				}))
				stream := &heldStream{ctx: t.Context()}
				consumer := newConsumer(Options{}, d)
				err := consumer.Run(request("/", 1000, 2500, func(task *bulkheadv1.ConsumerTask) {
					task.Spec.KeepFiles, task.Spec.ReserveBytes, task.Spec.Preallocate = 0, 2000, c.preallocate
				}), stream)
				if s := status.Convert(err); s.Code() != codes.OutOfRange ||
					!strings.Contains(s.Message(),
						"2500 B are free, 2000 B of them are kept in reserve, and 2500 B are to be written") {
					t.Errorf("Run = %v", err)
				}
				if consumer.Failure() != nil {
					t.Errorf("Failure = %v; want none", consumer.Failure())
				}
				for _, p := range progresses(stream.sent()) {
					if p.GetErrors() != 0 {
						t.Errorf("%d errors were counted, the last %q; want none", p.GetErrors(), p.GetLastError())
					}
				}
				if files := rollovers(stream.sent()); len(files) != c.files {
					t.Errorf("%d files, want %d", len(files), c.files)
				}
				if left, _ := d.left(); left != 0 {
					t.Errorf("%d files left", left)
				}
			})
		})
	}
}

// TestReserveWithinAFile writes one file that does not fit, with looks at every interval and at
// every 256 MiB.
func TestReserveWithinAFile(t *testing.T) {
	for _, interval := range []time.Duration{10 * time.Millisecond, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			const chunk = 64 << 20
			free := 1 << 30
			d := newScriptedDisk(slow(func(c call) (int, error) {
				switch c.op {
				case "free":
					return free, nil
				case "write":
					free -= c.size
				}
				return 0, nil
			}))
			stream := &heldStream{ctx: t.Context()}
			err := newConsumer(Options{}, d).Run(request("/", chunk, 1<<40, func(task *bulkheadv1.ConsumerTask) {
				task.Spec.ReserveBytes = 100 << 20
				task.ProgressIntervalNano = int64(interval)
			}), stream)
			if status.Code(err) != codes.OutOfRange || free < 100<<20 {
				t.Errorf("interval %v: Run = %v with %d bytes free", interval, err, free)
			}
			if written := 1<<30 - free; written < 512<<20 {
				t.Errorf("interval %v: ended after %d bytes", interval, written)
			}
		})
	}
}

// sharedSpace is a script in which writes, or allocations, take from one free space, and
// creating a file takes a moment in which others look at it.
type sharedSpace struct {
	taking string // the call that takes it

	mu    sync.Mutex
	free  int // guarded by mu
	least int // guarded by mu
}

func (s *sharedSpace) script(c call) (int, error) {
	if c.op == "create" {
		time.Sleep(time.Millisecond)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch c.op {
	case "free":
		return s.free, nil
	case s.taking:
		s.free -= c.size
		s.least = min(s.least, s.free)
	}
	return 0, nil
}

// TestWritersShareTheReserve runs eight writers with room for the files of three.
func TestWritersShareTheReserve(t *testing.T) {
	for _, taking := range []string{"write", "allocate"} {
		synctest.Test(t, func(t *testing.T) {
			space := &sharedSpace{taking: taking, free: 10_000, least: 10_000}
			stream := &heldStream{ctx: t.Context()}
			err := newConsumer(Options{}, newScriptedDisk(slow(space.script))).Run(request("/", 1000, 2500,
				func(task *bulkheadv1.ConsumerTask) {
					task.Spec.KeepFiles, task.Spec.ReserveBytes, task.Spec.Concurrency = 0, 2000, 8
					task.Spec.Preallocate = taking == "allocate"
				}), stream)
			if s := status.Convert(err); s.Code() != codes.OutOfRange ||
				!strings.Contains(s.Message(), errReserve.Error()) {
				t.Errorf("by %s: Run = %v", taking, err)
			}
			if space.least < 2000 {
				t.Errorf("by %s: %d bytes were left of 2000 in reserve", taking, space.least)
			}
		})
	}
}

// TestOtherConsumersAllocateMeanwhile takes the space between a look at it and the allocation.
func TestOtherConsumersAllocateMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := 10_000
		d := newScriptedDisk(slow(func(c call) (int, error) {
			switch c.op {
			case "free":
				return free, nil
			case "create":
				free -= 6000
			case "allocate":
				free -= c.size
			}
			return 0, nil
		}))
		err := newConsumer(Options{}, d).Run(request("/", 1000, 2500, func(task *bulkheadv1.ConsumerTask) {
			task.Spec.ReserveBytes, task.Spec.Preallocate = 2000, true
		}), &heldStream{ctx: t.Context()})
		if s := status.Convert(err); s.Code() != codes.OutOfRange ||
			!strings.Contains(s.Message(),
				"1500 B are free, 2000 B of them are kept in reserve, and 0 B are to be written") {
			t.Errorf("Run = %v", err)
		}
		if writes := len(d.of("write")); writes != 0 {
			t.Errorf("%d chunks were written", writes)
		}
	})
}

// TestAllocatedSpaceIsCountedOnce leaves room for one file beyond the reserve, which takes longer
// to write than two looks are apart.
func TestAllocatedSpaceIsCountedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d *scriptedDisk
		d = newScriptedDisk(slow(func(c call) (int, error) {
			if c.op == "free" {
				return 7000 - d.bytes(), nil
			}
			return 0, nil
		}))
		stream := &heldStream{ctx: t.Context()}
		err := newConsumer(Options{}, d).Run(request("/", 100, 5000, func(task *bulkheadv1.ConsumerTask) {
			task.Spec.KeepFiles, task.Spec.ReserveBytes, task.Spec.Preallocate = 0, 2000, true
			task.ProgressIntervalNano = int64(5 * time.Millisecond)
		}), stream)
		if status.Code(err) != codes.OutOfRange || len(d.of("create")) != 1 {
			t.Errorf("Run = %v after %d files were made", err, len(d.of("create")))
		}
		if files := rollovers(stream.sent()); len(files) != 1 || files[0].GetPartial() {
			t.Errorf("%v; want one file, and a whole one", files)
		}
	})
}

// bytes returns what all files hold together.
func (d *scriptedDisk) bytes() (sum int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, size := range d.files {
		sum += size
	}
	return sum
}

// TestReserveWaitsForRemovals leaves room only once the file on its way out is gone.
func TestReserveWaitsForRemovals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d *scriptedDisk
		d = newScriptedDisk(slow(func(c call) (int, error) {
			switch c.op {
			case "free":
				return 10_000 - d.bytes(), nil
			case "remove":
				time.Sleep(20 * time.Millisecond)
			}
			return 0, nil
		}))
		messages := play(t, d, time.Second, 0, func(task *bulkheadv1.ConsumerTask) {
			task.Spec.KeepFiles, task.Spec.ReserveBytes = 2, 2500
		})
		if total := sum(messages); total.GetErrors() != 0 || len(rollovers(messages)) < 20 {
			t.Errorf("%d errors (%s), %d files", total.GetErrors(), total.GetLastError(), len(rollovers(messages)))
		}
	})
}

// TestRecycle looks at which files are written over.
func TestRecycle(t *testing.T) {
	for _, writers := range []uint32{1, 3} {
		synctest.Test(t, func(t *testing.T) {
			d := newScriptedDisk(slow(nil))
			messages := play(t, d, 300*time.Millisecond, time.Second, func(task *bulkheadv1.ConsumerTask) {
				task.Spec.Recycle, task.Spec.Concurrency, task.Keep = true, writers, true
			})
			if creates, reopens := len(d.of("create")), len(d.of("reopen")); creates != int(2+writers) || reopens < 50 {
				t.Errorf("%d writers: %d files made and %d written over, want %d made", writers, creates, reopens,
					2+writers)
			}
			if removes := len(d.of("remove")); removes != 0 {
				t.Errorf("%d writers: %d files removed", writers, removes)
			}
			generations := make(map[uint64]uint32)
			for i, r := range rollovers(messages) {
				if r.GetGeneration() != generations[r.GetFileIndex()]+1 {
					t.Errorf("%d writers: file %d is generation %d after %d", writers, r.GetFileIndex(),
						r.GetGeneration(), generations[r.GetFileIndex()])
				}
				generations[r.GetFileIndex()]++
				if want := uint64(i % 3); writers == 1 && r.GetFileIndex() != want {
					t.Errorf("rollover %d is of file %d, want %d", i, r.GetFileIndex(), want)
				}
			}
		})
	}
}

// TestRecycleFailure breaks the file that is written over: it is removed, and a new
// one takes its place.
func TestRecycleFailure(t *testing.T) {
	for _, op := range []string{"reopen", "write", "close"} {
		synctest.Test(t, func(t *testing.T) {
			seen := 0
			d := newScriptedDisk(slow(func(c call) (int, error) {
				if c.op == op && c.inFile("1") {
					if seen++; seen == 5 && op == "write" || seen == 2 && op == "close" || op == "reopen" {
						return 0, syscall.EIO
					}
				}
				return 0, nil
			}))
			messages := play(t, d, 500*time.Millisecond, time.Second, func(task *bulkheadv1.ConsumerTask) {
				task.Spec.Recycle, task.Keep = true, true
			})
			if total := sum(messages); total.GetErrors() != 1 {
				t.Errorf("%s: %d errors: %s", op, total.GetErrors(), total.GetLastError())
			}
			if now, ever := d.left(); now != 3 || ever != 3 {
				t.Errorf("%s: %d files, at most %d; want 3", op, now, ever)
			}
			files := rollovers(messages)
			if last := files[len(files)-1]; last.GetFileIndex() == 1 || last.GetGeneration() < 5 {
				t.Errorf("%s: the last file is %v", op, last)
			}
		})
	}
}

// TestFirstErrorEndsAllWriters runs three writers, one of which fails.
func TestFirstErrorEndsAllWriters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newScriptedDisk(slow(failNth(2, syscall.EIO)))
		stream := &heldStream{ctx: t.Context()}
		err := newConsumer(Options{}, d).Run(request("/", 1000, 25_000, func(task *bulkheadv1.ConsumerTask) {
			task.Spec.Concurrency, task.Spec.StopOnError = 3, true
		}), stream)
		if s := status.Convert(err); s.Code() != codes.Aborted || !strings.Contains(s.Message(), "input/output error") {
			t.Errorf("Run = %v", err)
		}
		files := rollovers(stream.sent())
		if len(files) != 2 || !files[0].GetPartial() || !files[1].GetPartial() {
			t.Errorf("rollovers %v; want two partial ones", files)
		}
		if left, _ := d.left(); left != 0 {
			t.Errorf("%d files left", left)
		}
	})
}

// TestRemovalThatFailsEndsTheLoad makes removals fail with stop_on_error.
func TestRemovalThatFailsEndsTheLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newScriptedDisk(slow(func(c call) (int, error) {
			if c.op == "remove" {
				return 0, syscall.EROFS
			}
			return 0, nil
		}))
		stream := &heldStream{ctx: t.Context()}
		err := newConsumer(Options{StopOnError: true}, d).Run(request("/", 1000, 2500, nil), stream)
		if s := status.Convert(err); s.Code() != codes.Aborted ||
			!strings.Contains(s.Message(), "read-only file system") {
			t.Errorf("Run = %v", err)
		}
	})
}

// TestStuckRemovalIsAStall keeps a removal in the kernel: the writer continues to the bound, and
// the heartbeat says so.
func TestStuckRemovalIsAStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		d := newScriptedDisk(slow(func(c call) (int, error) {
			if c.op == "remove" && c.inFile("0") {
				<-release
			}
			return 0, nil
		}))
		c := newConsumer(Options{}, d)
		ended := make(chan error, 1)
		go func() {
			ended <- c.Run(request("/", 1000, 2500, func(task *bulkheadv1.ConsumerTask) {
				task.StallAfterNano = int64(time.Second)
			}), &heldStream{ctx: t.Context()})
		}()
		time.Sleep(time.Minute)
		answer, err := c.Heartbeat(t.Context(), nil)
		if err != nil || answer.GetState() != bulkheadv1.WorkerState_WORKER_STATE_STALLED ||
			answer.GetStalledNano() < int64(50*time.Second) {
			t.Errorf("%v, %v; want stalled", answer, err)
		}
		if _, ever := d.left(); ever != 4 {
			t.Errorf("%d files beside a removal that is stuck, want 4", ever)
		}
		close(release)
		kill(t, c, 0)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestShortWritesAtRandom scripts a kernel that takes 300 bytes at a time.
func TestShortWritesAtRandom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newScriptedDisk(slow(func(c call) (int, error) {
			if c.op == "write" && c.size > 300 {
				return 300, nil
			}
			return 0, nil
		}))
		messages := play(t, d, time.Second, time.Second, func(task *bulkheadv1.ConsumerTask) {
			task.Spec.Pattern = bulkheadv1.Pattern_PATTERN_RANDOM
		})
		files := uint64(len(rollovers(messages)))
		if total := sum(messages); files == 0 || total.GetBytes() != files*2500 || total.GetChunks() != files*3 ||
			total.GetErrors() != 0 {
			t.Errorf("%d files of 2500 bytes in 3 chunks, and progress sums to %v", files, total)
		}
	})
}
