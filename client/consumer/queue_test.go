package consumer

import (
	"testing"
	"testing/synctest"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// TestSlowParentMergesIntervals scripts a parent that reads nothing for an hour.
func TestSlowParentMergesIntervals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newScriptedDisk(slow(nil))
		c := newConsumer(Options{}, d)
		stream := &heldStream{ctx: t.Context(), hold: make(chan struct{})}
		ended := make(chan error, 1)
		began := time.Now()
		go func() {
			ended <- c.Run(request("/", 1000, 1000_000_000, func(task *bulkheadv1.ConsumerTask) {
				task.ProgressIntervalNano = int64(time.Second)
			}), stream)
		}()
		time.Sleep(100*time.Second + 500*time.Microsecond)
		kill(t, c, 0)
		<-c.job.Load().written
		if n := len(d.of("write")); n != 100_001 {
			t.Errorf("%d writes in 100 s beside a parent that does not read, want 100001", n)
		}
		close(stream.hold)
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		messages := stream.sent()
		checkSum(t, messages)
		if n := len(progresses(messages)); n != maxProgress+1 {
			t.Errorf("%d Progress messages, want %d and the last", n, maxProgress)
		}
		if total := time.Duration(sum(messages).GetIntervalNano()); total != time.Since(began) {
			t.Errorf("intervals sum to %v of %v", total, time.Since(began))
		}
	})
}

// TestWriterWaitsForAFullQueueOfRollovers scripts a parent that reads nothing until the writer
// waits, and then everything.
func TestWriterWaitsForAFullQueueOfRollovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newScriptedDisk(slow(nil))
		c := newConsumer(Options{}, d)
		stream := &heldStream{ctx: t.Context(), hold: make(chan struct{})}
		ended := make(chan error, 1)
		go func() { ended <- c.Run(request("/", 1000, 1000, nil), stream) }()
		time.Sleep(10 * time.Second)
		if n := len(d.of("close")); n != maxRollovers+1 {
			t.Errorf("%d files beside a parent that does not read, want %d", n, maxRollovers+1)
		}
		answer, err := c.Heartbeat(t.Context(), nil)
		if err != nil || answer.GetState() != bulkheadv1.WorkerState_WORKER_STATE_WORKING {
			t.Errorf("heartbeat of a waiting writer: %v, %v", answer, err)
		}
		close(stream.hold)
		time.Sleep(10 * time.Second)
		kill(t, c, 0)
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		files := rollovers(stream.sent())
		if len(files) < 2*maxRollovers {
			t.Errorf("only %d files; the writer did not continue", len(files))
		}
		for i, r := range files {
			if r.GetFileIndex() != uint64(i) {
				t.Fatalf("rollover %d is of file %d", i, r.GetFileIndex())
			}
		}
		checkSum(t, stream.sent())
	})
}

// TestAbandonFreesAWaitingWriter scripts a parent that never reads.
func TestAbandonFreesAWaitingWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newScriptedDisk(slow(nil))
		c := newConsumer(Options{}, d)
		stream := &heldStream{ctx: t.Context(), hold: make(chan struct{})}
		ended := make(chan error, 1)
		go func() { ended <- c.Run(request("/", 1000, 1000, nil), stream) }()
		time.Sleep(10 * time.Second)
		began := time.Now()
		c.Abandon()
		if took := time.Since(began); took != 0 {
			t.Errorf("Abandon took %v", took)
		}
		if left, _ := d.left(); left != 0 {
			t.Errorf("%d files left", left)
		}
		close(stream.hold)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
