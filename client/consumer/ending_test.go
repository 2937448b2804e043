package consumer

import (
	"math"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// TestGrace kills in the middle of a file that takes 25 writes of 1 ms.
func TestGrace(t *testing.T) {
	for _, c := range []struct {
		name    string
		grace   []time.Duration // of each Kill
		partial bool
		chunks  uint64 // of the last file
	}{
		{"none", []time.Duration{0}, true, 11},
		{"negative", []time.Duration{-time.Hour}, true, 11},
		{"too little", []time.Duration{5 * time.Millisecond}, true, 16},
		{"enough", []time.Duration{time.Second}, false, 25},
		{"endless", []time.Duration{math.MaxInt64}, false, 25},
		{"shortened", []time.Duration{time.Second, 0}, true, 11},
		{"not prolonged", []time.Duration{5 * time.Millisecond, time.Second}, true, 16},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newScriptedDisk(slow(nil))
				consumer := newConsumer(Options{}, d)
				stream := &heldStream{ctx: t.Context()}
				ended := make(chan error, 1)
				go func() {
					ended <- consumer.Run(request("/", 1000, 25000, func(task *bulkheadv1.ConsumerTask) {
						task.Keep = true
						task.Spec.Sync = bulkheadv1.SyncPolicy_SYNC_POLICY_FILE
					}), stream)
				}()
				time.Sleep(60*time.Millisecond + 500*time.Microsecond) // amid chunk 11 of the third file
				for _, grace := range c.grace {
					kill(t, consumer, grace)
				}
				if err := <-ended; err != nil {
					t.Fatal(err)
				}
				files := rollovers(stream.sent())
				if len(files) != 3 {
					t.Fatalf("%d files, want 3", len(files))
				}
				last := files[2]
				if last.GetPartial() != c.partial || last.GetChunks() != c.chunks ||
					last.GetSizeBytes() != c.chunks*1000 {
					t.Errorf("last file: %v; want partial %v, %d chunks", last, c.partial, c.chunks)
				}
				wantSyncs := 3
				if c.partial {
					wantSyncs = 2
				}
				if n := len(d.of("sync")); n != wantSyncs {
					t.Errorf("%d syncs, want %d", n, wantSyncs)
				}
				checkSum(t, stream.sent())
			})
		})
	}
}

// checkSum checks that the Progress messages account for all files told of.
func checkSum(t *testing.T, messages []*bulkheadv1.Message) {
	t.Helper()
	var bytes, chunks uint64
	for _, r := range rollovers(messages) {
		bytes += r.GetSizeBytes()
		chunks += r.GetChunks()
	}
	if total := sum(messages); total.GetBytes() != bytes || total.GetChunks() != chunks {
		t.Errorf("progress sums to %v, rollovers to %d bytes in %d chunks", total, bytes, chunks)
	}
}

// TestKillDuringCreate kills while the first create is in the kernel.
func TestKillDuringCreate(t *testing.T) {
	for _, c := range []struct {
		grace time.Duration
		files int
	}{{0, 0}, {time.Hour, 1}} {
		synctest.Test(t, func(t *testing.T) {
			d := newScriptedDisk(slow(func(c call) (int, error) {
				if c.op == "create" {
					time.Sleep(time.Second)
				}
				return 0, nil
			}))
			messages := play(t, d, 500*time.Millisecond, c.grace,
				func(task *bulkheadv1.ConsumerTask) { task.Keep = true })
			files := rollovers(messages)
			if len(files) != c.files {
				t.Errorf("grace %v: rollovers %v, want %d", c.grace, files, c.files)
			}
			if left, _ := d.left(); left != c.files {
				t.Errorf("grace %v: %d files left, want %d", c.grace, left, c.files)
			}
			for _, f := range files {
				if f.GetPartial() {
					t.Errorf("grace %v: %v is partial", c.grace, f)
				}
			}
		})
	}
}

// TestPauseIsNotAStall asks how the consumer is in a long pause after failures.
func TestPauseIsNotAStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newScriptedDisk(func(c call) (int, error) { return 0, syscall.ENOSPC })
		c := newConsumer(Options{}, d)
		stream := &heldStream{ctx: t.Context()}
		ended := make(chan error, 1)
		go func() {
			ended <- c.Run(request("/", 1000, 2500, func(task *bulkheadv1.ConsumerTask) { task.StallAfterNano = 1 }),
				stream)
		}()
		time.Sleep(time.Minute)
		answer, err := c.Heartbeat(t.Context(), nil)
		if err != nil || answer.GetState() != bulkheadv1.WorkerState_WORKER_STATE_WORKING ||
			answer.GetStalledNano() != 0 {
			t.Errorf("%v, %v; want working", answer, err)
		}
		kill(t, c, 0)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestStuckWrite(t *testing.T) {
	release := make(chan struct{})
	var stuck bool
	d := newScriptedDisk(func(c call) (int, error) {
		if c.op == "write" && c.inFile("2") && !stuck {
			stuck = true
			<-release
		}
		return 0, nil
	})
	client := dial(t, newConsumer(Options{}, d))
	p := start(t, client, request("/", 1000, 2500, func(task *bulkheadv1.ConsumerTask) {
		task.StallAfterNano = int64(time.Millisecond)
		task.ProgressIntervalNano = int64(time.Millisecond)
	}))
	first := p.untilState(bulkheadv1.WorkerState_WORKER_STATE_STALLED)
	if first.GetStalledNano() <= int64(time.Millisecond) {
		t.Errorf("stalled for %d ns, which is not above the threshold", first.GetStalledNano())
	}
	if second := p.heartbeat(); second.GetStalledNano() <= first.GetStalledNano() {
		t.Errorf("stalled for %d ns, then for %d", first.GetStalledNano(), second.GetStalledNano())
	}
	p.until("intervals without a byte", func(m []*bulkheadv1.Message) bool {
		list := progresses(m)
		return len(list) > 5 && list[len(list)-1].GetBytes() == 0 && list[len(list)-2].GetBytes() == 0
	})
	p.kill(0) // answers while the write is stuck
	p.untilState(bulkheadv1.WorkerState_WORKER_STATE_STALLED)
	close(release)
	messages := p.orderlyEnd()
	checkSum(t, messages)
	files := rollovers(messages)
	if last := files[len(files)-1]; len(files) != 3 || !last.GetPartial() || last.GetChunks() != 1 {
		t.Errorf("last of %d files: %v", len(files), last)
	}
	if left, _ := d.left(); left != 0 {
		t.Errorf("%d files left", left)
	}
}

// TestAbandonBesideStuckWrite removes the files though the writer cannot.
func TestAbandonBesideStuckWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		d := newScriptedDisk(slow(func(c call) (int, error) {
			if c.op == "write" && c.inFile("2") {
				<-release
			}
			return 0, nil
		}))
		c := newConsumer(Options{AbandonTimeout: 3 * time.Second}, d)
		stream := &heldStream{ctx: t.Context()}
		ended := make(chan error, 1)
		go func() { ended <- c.Run(request("/", 1000, 2500, nil), stream) }()
		time.Sleep(time.Second)
		if left, _ := d.left(); left != 3 {
			t.Fatalf("%d files while stuck, want 3", left)
		}
		began := time.Now()
		c.Abandon()
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("Abandon returned after %v, want 3s", took)
		}
		if left, _ := d.left(); left != 0 {
			t.Errorf("%d files left", left)
		}
		close(release)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
