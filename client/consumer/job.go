package consumer

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// job is one Run: a writer, a reporter and the sender, and what they share.
type job struct {
	task     *task
	disk     disk
	ending   *ending
	gauge    *gauge
	ledger   *ledger
	queue    *queue
	rotation *rotation
	written  chan struct{} // closed when the writer has ended
	working  atomic.Bool   // the writer is at work

	stopOnError bool
	failure     error // what ended the job; read it after written is closed
}

func newJob(t *task, d disk, e *ending) *job {
	j := &job{
		task:    t,
		disk:    d,
		ending:  e,
		gauge:   newGauge(),
		ledger:  newLedger(),
		queue:   newQueue(t.process),
		written: make(chan struct{}),
	}
	j.rotation = &rotation{keep: t.keepFiles, remove: j.removeFile}
	return j
}

// run does the job and sends its messages. It returns when everything it started
// has ended: nil if all was said, or why nobody was left to hear it.
func (j *job) run(stream grpc.ServerStreamingServer[bulkheadv1.RunResponse]) error {
	data, err := newPool(j.task.chunkSize)
	if err != nil {
		close(j.written)
		return status.Errorf(codes.ResourceExhausted, "preparing data: %v", err)
	}
	w := &writer{
		task: j.task, disk: j.disk, pool: data, gauge: j.gauge, ledger: j.ledger,
		queue: j.queue, rotation: j.rotation, ending: j.ending, stopOnError: j.stopOnError,
	}
	j.queue.putStart(j.task.spec)
	j.working.Store(true)

	var started sync.WaitGroup
	started.Go(func() { // ends by Kill, Abandon or send
		defer close(j.written)
		j.failure = w.run()
		j.working.Store(false)
	})
	started.Go(j.report) // ends with the writer
	failure := j.send(stream)
	started.Wait()
	if err := data.close(); err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	if failure == nil && j.failure != nil {
		return status.Error(codes.Aborted, j.failure.Error())
	}
	return failure
}

// report puts a Progress into the queue each interval while the writer is at
// work, stuck or not, then the last one.
func (j *job) report() {
	ticker := time.NewTicker(j.task.interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			j.queue.putProgress(j.ledger.take)
		case <-j.written:
			j.queue.putLast(j.ledger.take())
			return
		}
	}
}

// send passes messages on until the queue is closed. When nobody listens any
// more, it ends the job and lets the remaining messages go.
func (j *job) send(stream grpc.ServerStreamingServer[bulkheadv1.RunResponse]) error {
	gone := stream.Context().Done()
	var failure error
	for {
		select {
		case message, open := <-j.queue.messages:
			if !open {
				return failure
			}
			if failure == nil {
				failure = stream.Send(&bulkheadv1.RunResponse{Message: message})
			}
			j.queue.sent(message)
		case <-gone:
			gone = nil
			failure = status.FromContextError(stream.Context().Err()).Err()
		}
		if failure != nil {
			j.ending.abandon()
		}
	}
}

// state says how the writer is, and how long the system call in flight has been
// in the kernel if that is too long.
func (j *job) state() (bulkheadv1.WorkerState, time.Duration) {
	if !j.working.Load() {
		return bulkheadv1.WorkerState_WORKER_STATE_IDLE, 0
	}
	if stuck := j.gauge.stuck(); stuck > j.task.stallAfter {
		return bulkheadv1.WorkerState_WORKER_STATE_STALLED, stuck
	}
	return bulkheadv1.WorkerState_WORKER_STATE_WORKING, 0
}

// abandon removes the files beside a writer that may be stuck, and waits until
// that is done and the writer has ended, but not beyond deadline.
func (j *job) abandon(deadline <-chan time.Time) {
	removed := make(chan struct{})
	go func() { // a removal that gets stuck lasts until the process ends
		defer close(removed)
		if !j.task.keep {
			j.rotation.removeAll() // nobody is left to be told of errors
		}
	}()
	for _, done := range []<-chan struct{}{removed, j.written} {
		select {
		case <-done:
		case <-deadline:
			return
		}
	}
	if !j.task.keep {
		removeFolders(j.task.folder) // empty only now that the writer has ended
	}
}

// removeFile removes the file of that number, in view of the gauge.
func (j *job) removeFile(number uint64) error {
	start := j.gauge.enter()
	defer j.gauge.leave(start)
	return j.disk.remove(j.task.filePath(number))
}

// clientFolder begins the name of the folder that a client makes for its
// consumers' folders.
const clientFolder = "bulkhead-"

// removeFolders removes a consumer's folder and the client's around it, if they
// are empty: the client, whose task it is, is gone.
func removeFolders(folder string) {
	parent := filepath.Dir(folder)
	if !strings.HasPrefix(filepath.Base(parent), clientFolder) {
		return
	}
	_ = os.Remove(folder) // not empty, or gone: either is fine
	_ = os.Remove(parent)
}
