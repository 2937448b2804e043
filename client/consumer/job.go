package consumer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bulkhead/client/budget"
	"bulkhead/client/consumer/disk"
	"bulkhead/client/names"
	"bulkhead/client/neighbour"
	"bulkhead/internal/workload"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// job is one Run: the writers, the remover, a reporter and the sender, and what they
// share.
type job struct {
	task     *task
	disk     disk.Disk
	ending   *ending
	gauges   []*gauge // of each writer, of the remover, of the verifier, and of each reader
	ledger   *ledger
	queue    *queue
	rotation *rotation
	reserve  *reserve
	shared   *budget.Shared // with the budget, or that of each stage
	budget   *budget.Budget // of the whole load; nil without a total
	stages   *stages
	nap      func(time.Duration)
	verifier *verifier
	readers  *readers
	board    *neighbour.Board // nil unless others are told of finished files
	posting  *gauge           // of what the board writes
	unit     int              // what O_DIRECT wants sizes to be a multiple of; 1 without
	let      <-chan time.Time // gives when the writers may begin; nil if they need not wait
	begun    chan struct{}    // closed when the writers begin
	start    time.Time        // when they did; known then
	warm     time.Duration    // how long they warm up from then on; known once they have begun
	written  chan struct{}    // closed when the writers, the verifier and the remover have ended
	working  atomic.Bool      // the writers are at work

	mu      sync.Mutex
	failure error // what ended the job, be it the reserve; guarded by mu
}

func newJob(t *task, d disk.Disk, e *ending) *job {
	j := &job{
		task:     t,
		disk:     d,
		ending:   e,
		ledger:   newLedger(),
		queue:    newQueue(t.process, len(t.stages)),
		rotation: newRotation(t.keepFiles, t.recycle),
		nap:      time.Sleep,
		unit:     1,
		begun:    make(chan struct{}),
		written:  make(chan struct{}),
	}
	for range t.writers + 2 + int(t.read.GetReaders()) {
		j.gauges = append(j.gauges, newGauge())
	}
	j.posting = newGauge()
	if t.neighbours() {
		j.board = neighbour.NewBoard(workload.Of(t.spec).FilesFinished(), j.post)
	}
	j.reserve = &reserve{bytes: t.spec.GetReserveBytes(), inodes: t.spec.GetReserveInodes(), interval: t.interval,
		disk: d, rotation: j.rotation, stop: e.due}
	j.stages = newStages(j)
	j.verifier = newVerifier(j)
	j.readers = newReaders(j)
	return j
}

// post writes to the list of finished files; the board does one at a time.
func (j *job) post(at int64, slot []byte) error {
	_, err := j.posting.call(func() error { return j.disk.Note(names.Finished, at, slot) })
	return err
}

// unpost removes the list.
func (j *job) unpost() error {
	if j.board == nil {
		return nil
	}
	return j.disk.Remove(names.Finished)
}

// run does the job and sends its messages. It returns when everything it started
// has ended: nil if all was said, or why nobody was left to hear it.
func (j *job) run(stream grpc.ServerStreamingServer[bulkheadv1.RunResponse]) error {
	if err := j.prepare(); err != nil {
		close(j.written)
		return status.Error(codes.InvalidArgument, err.Error())
	}
	if err := j.openBudget(); err != nil {
		close(j.written)
		return status.Error(codes.InvalidArgument, err.Error())
	}
	writers, sources, err := j.newWriters()
	if err == nil {
		if err = errors.Join(j.verifier.open(), j.readers.open()); err != nil {
			err = errors.Join(err, sources.Close(), j.verifier.close(), j.readers.close())
		}
	}
	if err != nil {
		close(j.written)
		return status.Errorf(codes.ResourceExhausted, "preparing data: %v", errors.Join(err, j.shared.Close()))
	}
	j.queue.putStart(j.task.spec)
	if j.task.startDelay == 0 && j.let == nil {
		j.working.Store(true)
	}

	var started sync.WaitGroup
	started.Go(func() { // ends by Kill, Abandon or send
		defer close(j.written)
		j.write(writers)
	})
	started.Go(j.report) // ends with the writers
	sender := &sender{queue: j.queue, ending: j.ending, written: j.written, every: min(sendEvery, j.task.interval)}
	unheard := sender.run(stream)
	started.Wait()
	if err := errors.Join(sources.Close(), j.verifier.close(), j.readers.close(), j.shared.Close()); err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	failure := j.failed()
	var reserve *reserveReached
	switch {
	case unheard != nil || failure == nil:
		return unheard
	case errors.As(failure, &reserve):
		return reserve.status()
	default:
		return status.Error(codes.Aborted, failure.Error())
	}
}

// openBudget opens the budgets that all consumers of the client share, if there are any.
func (j *job) openBudget() (err error) {
	stages := len(j.task.stages)
	switch {
	case j.task.budget == 0 && j.task.stages.Limited():
		return errors.New("a stage has a total, and the task no budget")
	case j.task.budget == 0:
		return nil
	}
	if j.shared, err = budget.Inherited(j.task.budget, max(stages, 1)); err == nil && stages == 0 {
		j.budget = j.shared.Of(0)
	}
	return err
}

// prepare finds out whether the file system can do what the task asks for.
func (j *job) prepare() error {
	spec := j.task.spec
	if spec.GetPreallocate() {
		if err := j.disk.CanAllocate(); err != nil {
			return err
		}
	}
	if !spec.GetDirect() {
		return nil
	}
	unit, err := j.disk.DirectUnit()
	if err != nil {
		return err
	}
	j.unit = unit
	for _, one := range workload.Of(spec).Sizes() {
		if size := one.Bytes; size%uint64(unit) != 0 {
			return fmt.Errorf("direct with chunks of %d B: this file system takes multiples of %d B (%s)", size, unit,
				j.task.folder)
		}
	}
	return j.task.checkRead(unit)
}

// write lets the writers work until all of them have ended, and removes the files,
// unless they are to be kept.
func (j *job) write(writers []*writer) {
	let := j.await()
	if delay := j.task.startDelay; delay > 0 {
		j.ending.pause(delay)
	}
	j.working.Store(true)
	defer j.working.Store(false)
	start := time.Now()
	j.start, j.warm = start, max(j.task.warmup-start.Sub(let), 0)
	j.ledger.begin(len(writers), j.warm > 0)
	j.stages.prepare()
	close(j.begun)
	r := &remover{disk: j.disk, gauge: j.gauges[j.task.writers], ledger: j.ledger, rotation: j.rotation,
		board: j.board, failed: j.fail}
	done := make(chan struct{})
	var removing, writing sync.WaitGroup
	removing.Go(func() { r.run(done) })
	j.verifier.start()
	j.readers.start(start, j.nap)
	for _, w := range writers {
		w.clock = newClock(start, j.ending, j.nap)
		writing.Go(w.run)
	}
	writing.Wait()
	if last := j.stages.current.Load(); last != nil && last.pace != nil && !j.budget.Spent() && !last.budget.Spent() {
		j.overdue(last.pace, j.dueUntil(time.Since(start)), true)
	}
	j.ledger.rest()
	j.readers.wait(start)
	j.verifier.finish() // all finished files are told of, and may be removed
	close(done)
	removing.Wait()
	j.verifier.stop()
	if _, err := j.posting.call(j.unpost); err != nil {
		j.ledger.failed(err)
	}
	if !j.task.keep {
		r.board = nil // others are told of none
		r.removeAll()
	}
}

// await waits until the writers may begin, or have to end before, and returns when that was.
func (j *job) await() time.Time {
	if j.let == nil {
		return time.Now()
	}
	select {
	case at := <-j.let:
		newClock(at, j.ending, j.nap).until(0)
	case <-j.ending.begun:
	}
	return time.Now()
}

// dueUntil returns until when chunks are due that are due until end at most: not when the end of the load
// has begun. It counts from the begin of the load.
func (j *job) dueUntil(end time.Duration) time.Duration {
	if at := j.ending.begunAt(); !at.IsZero() {
		return min(end, at.Sub(j.start))
	}
	return end
}

// overdue enters the chunks that were due before end and are not written: with all also those that
// nobody has begun to wait for.
func (j *job) overdue(p *pace, end time.Duration, all bool) {
	p.end(end, time.Since(j.start), all, func(waited time.Duration, n uint64) {
		j.ledger.tookN(phaseResponse, waited, n)
	})
}

// repace sets the rate of a load that has one and no stages; it reports whether it is such a one.
func (j *job) repace(number uint32, bytes uint64, chunks float64) bool {
	now := j.stages.current.Load()
	if len(j.task.stages) > 0 || now == nil || now.pace == nil {
		return false
	}
	since := time.Duration(0) // what is to begin yet begins so
	select {
	case <-j.begun:
		since = time.Since(j.start)
	default:
	}
	now.pace.change(number, bytes, chunks, since)
	return true
}

// fail counts a failure, and ends the job if it is to end at that one. That the reserve is
// reached is none, and ends it, too.
func (j *job) fail(err error) {
	if !isFatal(err) {
		j.ledger.failed(err)
	}
	switch {
	case isFatal(err):
	case j.task.stopAtOnce:
		err = fmt.Errorf("stopped at its first error, as on_error says: %w", err)
	default:
		return
	}
	j.mu.Lock()
	if j.failure == nil {
		j.failure = err
	}
	j.mu.Unlock()
	j.ending.kill(0)
}

// failed returns what ended the job; nil if nothing did, or not yet.
func (j *job) failed() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.failure
}

// report puts a Progress into the queue each interval while the writers are at
// work, stuck or not, then the last one.
func (j *job) report() {
	<-j.begun
	ticker := time.NewTicker(j.task.interval)
	defer ticker.Stop()
	var warm <-chan time.Time
	if j.warm > 0 {
		timer := time.NewTimer(j.warm)
		defer timer.Stop()
		warm = timer.C
	}
	for {
		if j.stages.advance() {
			ticker.Reset(j.task.interval)
		}
		due, noticed, told := j.stages.wake()
		select {
		case <-due:
		case <-noticed:
		case <-told:
		case <-ticker.C:
			j.queue.putProgress(j.stages.take)
		case <-warm:
			j.ledger.endWarmup()
			j.queue.putProgress(j.ledger.take)
			ticker.Reset(j.task.interval)
		case <-j.written:
			j.queue.putLast(j.ledger.take)
			return
		}
	}
}

// state returns how the writers are, and how long a system call in flight has been in the kernel
// if that is too long.
func (j *job) state() (bulkheadv1.WorkerState, time.Duration) {
	if !j.working.Load() {
		return bulkheadv1.WorkerState_WORKER_STATE_IDLE, 0
	}
	var stuck time.Duration
	for _, g := range append(j.gauges[:len(j.gauges):len(j.gauges)], j.posting) {
		stuck = max(stuck, g.stuck())
	}
	if stuck > j.task.stallAfter {
		return bulkheadv1.WorkerState_WORKER_STATE_STALLED, stuck
	}
	return bulkheadv1.WorkerState_WORKER_STATE_WORKING, 0
}

// abandon removes the files beside writers that may be stuck, and waits until that is
// done and the writers have ended, but not beyond deadline.
func (j *job) abandon(deadline <-chan time.Time) {
	removed := make(chan struct{})
	go func() { // a removal that gets stuck lasts until the process ends
		defer close(removed)
		_ = j.unpost()
		if j.task.keep {
			return
		}
		for number := range j.rotation.all {
			_ = j.disk.Remove(names.LoadFile(number)) // nobody is left to be told of errors
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
		removeFolders(j.task.folder) // empty only now that the writers have ended
	}
}

// removeFolders removes a consumer's folder and the client's around it, if they
// are empty but for the client's record: the client, whose task it is, is gone.
func removeFolders(folder string) {
	parent := filepath.Dir(folder)
	if !strings.HasPrefix(filepath.Base(parent), names.WorkDirPrefix) {
		return
	}
	above, err := os.OpenRoot(filepath.Dir(parent))
	if err != nil {
		return
	}
	defer above.Close()
	name := filepath.Base(parent)
	if info, err := above.Lstat(name); err != nil || !info.IsDir() {
		return // a link in its place leads to what is not ours
	}
	_ = above.Remove(filepath.Join(name, filepath.Base(folder))) // not empty, or gone: either is fine
	left, err := fs.ReadDir(above.FS(), name)
	if err == nil && len(left) == 1 && left[0].Name() == names.Record {
		_ = above.Remove(filepath.Join(name, names.Record)) // by another consumer, perhaps
	}
	_ = above.Remove(name)
}
