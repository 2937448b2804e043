package consumer

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"bulkhead/client/consumer/disk"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// play runs a consumer on d in a bubble of fake time, kills it after runtime
// with the given grace, and returns its messages.
func play(t *testing.T, d disk.Disk, runtime, grace time.Duration,
	edit func(*bulkheadv1.ConsumerTask)) []*bulkheadv1.Message {
	t.Helper()
	c := newConsumer(Options{}, d)
	stream := &heldStream{ctx: t.Context()}
	ended := make(chan error, 1)
	go func() {
		ended <- c.Run(request("/", 1000, 2500, func(task *bulkheadv1.ConsumerTask) {
			task.ProgressIntervalNano = int64(time.Second)
			if edit != nil {
				edit(task)
			}
		}), stream)
	}()
	time.Sleep(runtime) // of the bubble
	kill(t, c, grace)
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
	return stream.sent()
}

func kill(t *testing.T, c *Consumer, grace time.Duration) {
	t.Helper()
	if _, err := c.Kill(context.Background(), &bulkheadv1.KillRequest{GraceNano: int64(grace)}); err != nil {
		t.Error(err)
	}
}

// slow returns a script in which each write takes 1 ms of the bubble's time, so that fake time
// continues, and fail decides about the rest.
func slow(fail func(c call) (int, error)) func(call) (int, error) {
	return func(c call) (int, error) {
		if c.op == "write" {
			time.Sleep(time.Millisecond)
		}
		if fail == nil {
			return 0, nil
		}
		return fail(c)
	}
}

// inFile reports whether a call is about the file of that number.
func (c call) inFile(number string) bool { return strings.HasSuffix(c.path, "-0000000"+number+".dat") }

// TestFailures breaks one operation on file 1 and checks what is told and left.
func TestFailures(t *testing.T) {
	for _, c := range []struct {
		name   string
		fail   func(c call) (int, error)
		errors uint64
		text   string
		bytes  uint64 // written into file 1 all the same
	}{
		{"create", failOn("create", syscall.EACCES), 1, "permission denied", 0},
		{"first write", failOn("write", syscall.ENOSPC), 1, "no space left on device", 0},
		{"second write", failNth(2, syscall.EIO), 1, "input/output error", 1000},
		{"part of a chunk", shortThen(syscall.ENOSPC), 1, "no space left on device", 7},
		{"write takes nothing", func(c call) (int, error) {
			if c.op == "write" && c.inFile("1") {
				return -1, nil
			}
			return 0, nil
		}, 1, "took no byte", 0},
		{"sync", failOn("sync", syscall.EIO), 1, "input/output error", 2500},
		{"close", failOn("close", syscall.EDQUOT), 1, "quota", 2500},
		{"write, then close", func(c call) (int, error) {
			if c.inFile("1") && (c.op == "write" || c.op == "close") {
				return 0, syscall.EIO
			}
			return 0, nil
		}, 2, "input/output error", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newScriptedDisk(slow(c.fail))
				messages := play(t, d, 200*time.Millisecond, time.Second, func(task *bulkheadv1.ConsumerTask) {
					task.Spec.Sync = bulkheadv1.SyncPolicy_SYNC_POLICY_FILE
					task.Keep = true
				})
				bytes := c.bytes
				for _, r := range rollovers(messages) {
					bytes += r.GetSizeBytes()
					if r.GetFileIndex() == 1 || r.GetPartial() || r.GetSizeBytes() != 2500 {
						t.Errorf("rollover of a broken file: %v", r)
					}
				}
				total := sum(messages)
				if total.GetErrors() != c.errors || !strings.Contains(total.GetLastError(), c.text) ||
					total.GetBytes() != bytes {
					t.Errorf("told %d errors (%q) and %d bytes, want %d (%q) and %d",
						total.GetErrors(), total.GetLastError(), total.GetBytes(), c.errors, c.text, bytes)
				}
				if len(rollovers(messages)) < 3 {
					t.Errorf("only %d files after the failure", len(rollovers(messages)))
				}
				d.mu.Lock()
				defer d.mu.Unlock()
				if _, there := d.files["load-00000001.dat"]; there {
					t.Error("the broken file is still there")
				}
				if len(d.files) > 2 {
					t.Errorf("%d files left", len(d.files))
				}
			})
		})
	}
}

// failOn fails one kind of operation on file 1.
func failOn(op string, err error) func(call) (int, error) {
	return func(c call) (int, error) {
		if c.op == op && c.inFile("1") {
			return 0, err
		}
		return 0, nil
	}
}

// failNth fails the n-th write to file 1.
func failNth(n int, err error) func(call) (int, error) {
	return func(c call) (int, error) {
		if c.op != "write" || !c.inFile("1") {
			return 0, nil
		}
		if n--; n == 0 {
			return 0, err
		}
		return 0, nil
	}
}

// shortThen takes 7 bytes of the first write to file 1 and fails the next.
func shortThen(err error) func(call) (int, error) {
	first := true
	return func(c call) (int, error) {
		if c.op != "write" || !c.inFile("1") {
			return 0, nil
		}
		if first {
			first = false
			return 7, nil
		}
		return 0, err
	}
}

func TestShortWritesAreCompleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newScriptedDisk(slow(func(c call) (int, error) {
			if c.op == "write" && c.size > 300 {
				return 300, nil
			}
			return 0, nil
		}))
		messages := play(t, d, 100*time.Millisecond, time.Second, nil)
		total := sum(messages)
		files := uint64(len(rollovers(messages)))
		if files == 0 || total.GetBytes() != files*2500 || total.GetChunks() != files*3 || total.GetErrors() != 0 {
			t.Errorf("%d files of 2500 bytes in 3 chunks, and progress sums to %v", files, total)
		}
		for _, p := range progresses(messages) {
			if p.GetChunks() > 0 && p.GetChunkWrite().GetMax() < uint64(4*time.Millisecond) {
				t.Errorf("a chunk of four writes of 1 ms took %d ns", p.GetChunkWrite().GetMax())
			}
		}
	})
}

// TestBackoff lets every create fail and looks at when it is tried.
func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := true
		d := newScriptedDisk(slow(func(c call) (int, error) {
			if broken && c.op == "create" {
				return 0, syscall.ENOSPC
			}
			return 0, nil
		}))
		began := time.Now()
		messages := play(t, d, 20*time.Second, time.Hour, nil)
		var at []time.Duration
		for _, c := range d.of("create") {
			at = append(at, c.at.Sub(began))
		}
		const ms = time.Millisecond
		want := []time.Duration{0, 100 * ms, 300 * ms, 700 * ms, 1500 * ms, 3100 * ms, 6300 * ms, 11300 * ms,
			16300 * ms}
		if len(at) != len(want) {
			t.Fatalf("tried at %v, want %v", at, want)
		}
		for i := range want {
			if at[i] != want[i] {
				t.Errorf("tried at %v, want %v", at, want)
			}
		}
		if n := sum(messages).GetErrors(); n != uint64(len(want)) {
			t.Errorf("%d errors told, want %d", n, len(want))
		}
		if ended := time.Since(began); ended != 20*time.Second {
			t.Errorf("Kill at 20 s ended the pause at %v", ended)
		}
	})
}

// TestBackoffStartsAnewAfterAFile lets two files fail with good ones between.
func TestBackoffStartsAnewAfterAFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newScriptedDisk(slow(func(c call) (int, error) {
			if c.op == "write" && (c.inFile("1") || c.inFile("4")) {
				return 0, syscall.EIO
			}
			return 0, nil
		}))
		play(t, d, time.Second, time.Hour, nil)
		created := d.of("create")
		for _, number := range []int{1, 4} {
			pause := created[number+1].at.Sub(created[number].at) - time.Millisecond // the write that failed
			if pause != retry.First {
				t.Errorf("a pause of %v after file %d, want %v", pause, number, retry.First)
			}
		}
	})
}

// TestNothingIsBegunWhileRemovalFails keeps the disk bounded.
func TestNothingIsBegunWhileRemovalFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := errors.New("refused")
		began := time.Now()
		d := newScriptedDisk(slow(func(c call) (int, error) {
			if c.op == "remove" && time.Since(began) < 10*time.Second {
				return 0, refused
			}
			return 0, nil
		}))
		messages := play(t, d, 15*time.Second, time.Hour, nil)
		left, ever := d.left()
		if ever != 4 || left != 0 { // kept, on its way out, and the next one
			t.Errorf("%d files at most and %d left; want 4 and 0", ever, left)
		}
		total := sum(messages)
		if total.GetErrors() < 5 || total.GetLastError() != "refused" {
			t.Errorf("told %d errors, last %q", total.GetErrors(), total.GetLastError())
		}
		if len(rollovers(messages)) < 100 {
			t.Errorf("only %d files; it did not continue", len(rollovers(messages)))
		}
	})
}

// TestDiskIsBounded counts the files that are kept, in progress, and on their way out
// while a removal takes three times as long as a file.
func TestDiskIsBounded(t *testing.T) {
	for _, c := range []struct{ keep, writers, ever int }{{1, 1, 3}, {2, 1, 4}, {7, 1, 9}, {1, 4, 6}, {3, 2, 6}} {
		synctest.Test(t, func(t *testing.T) {
			d := newScriptedDisk(slow(func(c call) (int, error) {
				if c.op == "remove" {
					time.Sleep(9 * time.Millisecond)
				}
				return 0, nil
			}))
			messages := play(t, d, time.Second, 0, func(task *bulkheadv1.ConsumerTask) {
				task.Spec.KeepFiles, task.Spec.Concurrency = uint32(c.keep), uint32(c.writers)
			})
			if left, ever := d.left(); ever != c.ever || left != 0 {
				t.Errorf("keep_files %d, %d writers: %d files at most and %d left; want %d and 0", c.keep, c.writers,
					ever, left, c.ever)
			}
			if len(rollovers(messages)) < 100 {
				t.Errorf("only %d files", len(rollovers(messages)))
			}
		})
	}
}

// TestRemovalIsBesideTheWriter makes removals take as long as a file: they take nothing from the
// throughput.
func TestRemovalIsBesideTheWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newScriptedDisk(slow(func(c call) (int, error) {
			if c.op == "remove" {
				time.Sleep(3 * time.Millisecond)
			}
			return 0, nil
		}))
		messages := play(t, d, 3*time.Second+time.Microsecond, 0, nil)
		if chunks := sum(messages).GetChunks(); chunks != 3001 {
			t.Errorf("%d chunks of 1 ms in 3 s beside removals of 3 ms, want 3001", chunks)
		}
	})
}

func TestSyncPolicy(t *testing.T) {
	for policy, want := range map[bulkheadv1.SyncPolicy]bool{
		bulkheadv1.SyncPolicy_SYNC_POLICY_NONE: false,
		bulkheadv1.SyncPolicy_SYNC_POLICY_FILE: true,
	} {
		synctest.Test(t, func(t *testing.T) {
			d := newScriptedDisk(slow(func(c call) (int, error) {
				if c.op == "sync" {
					time.Sleep(time.Millisecond)
				}
				return 0, nil
			}))
			messages := play(t, d, time.Second, time.Hour,
				func(task *bulkheadv1.ConsumerTask) { task.Spec.Sync = policy })
			files, syncs := len(rollovers(messages)), len(d.of("sync"))
			if want && syncs != files || !want && syncs != 0 {
				t.Errorf("%v: %d syncs of %d files", policy, syncs, files)
			}
			for _, r := range rollovers(messages) {
				if took := time.Duration(r.GetSyncNano()); want != (took == time.Millisecond) ||
					time.Duration(r.GetWriteNano()) != 3*time.Millisecond {
					t.Fatalf("%v: phases %v", policy, r)
				}
			}
		})
	}
}
