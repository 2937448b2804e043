package consumer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"bulkhead/client/consumer/disk"
	"bulkhead/client/neighbour"
	"bulkhead/client/verify"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// readPause is how long a file is left alone between two readings of it.
const readPause = time.Second

// verifier reads files back beside the writers, as the task says when:
//
//   - never: a finished file is told of at once;
//   - at its rollover: it is told of when it was read. A writer that finishes a file
//     while another one is being read waits, so that there is never more than one file
//     that is neither in progress nor among those kept;
//   - continuously: so, too, and when there is none to be told of, the one that was not
//     read for the longest time is read again. It stops for a finished one, and for
//     whoever wants to remove the file or write over it, and continues there later;
//   - at the end: those that remain when the writers have ended.
//
// It reads until ending.over and counts what it did not get to as a failure.
type verifier struct {
	task     *task
	disk     disk.Disk
	gauge    *gauge
	ledger   *ledger
	queue    *queue
	rotation *rotation
	board    *neighbour.Board // which tells other clients of finished files
	ending   *ending
	failed   func(error) // counts a failure, and ends the job if it is to end then

	reader   *verify.Reader // nil if nothing is read
	finished chan *finished // files to be read and told of
	saying   sync.Mutex     // one reading says at a time what it found
	told     int            // Corruptions said; guarded by saying

	reading context.Context // done when reading has to stop
	cancel  context.CancelFunc
	ended   sync.WaitGroup
	ran     chan struct{} // closed when nothing that was handed over is left
	waiting atomic.Int32  // writers that want to hand over

	mu     sync.Mutex
	missed missed // guarded by mu
}

// missed is what there was no time to read.
type missed struct{ files, bytes uint64 }

func newVerifier(j *job) *verifier {
	v := &verifier{
		task: j.task, disk: j.disk, gauge: j.gauges[j.task.writers+1], ledger: j.ledger, queue: j.queue,
		rotation: j.rotation, board: j.board, ending: j.ending, failed: j.fail, finished: make(chan *finished),
		ran: make(chan struct{}),
	}
	if v.isOn() {
		v.ending.share()
	}
	return v
}

// isOn reports whether anything is read at all.
func (v *verifier) isOn() bool {
	return v.task.verify != bulkheadv1.VerifyMode_VERIFY_MODE_UNSPECIFIED &&
		v.task.verify != bulkheadv1.VerifyMode_VERIFY_MODE_OFF
}

// readsFinished reports whether each file is read when it is finished.
func (v *verifier) readsFinished() bool {
	return v.task.verify == bulkheadv1.VerifyMode_VERIFY_MODE_ROLLOVER || v.isContinuous()
}

func (v *verifier) isContinuous() bool {
	return v.task.verify == bulkheadv1.VerifyMode_VERIFY_MODE_CONTINUOUS
}

// readsLater reports whether a file that is told of will be read, and must be remembered for that.
func (v *verifier) readsLater(c *content) bool {
	switch {
	case v.isContinuous():
		return true
	case v.task.verify != bulkheadv1.VerifyMode_VERIFY_MODE_END && !v.task.readsOwn():
		return false
	default:
		return v.task.keepFiles > 0 || c.target != v.task.wholeContent(c.target.File.Number).target
	}
}

// open prepares reading. The caller must close the verifier.
func (v *verifier) open() (err error) {
	if !v.isOn() {
		return nil
	}
	v.reader, err = verify.NewReader(verify.Options{
		MaxFaults: maxCorruptions,
		Call: func(call func() error) error {
			_, err := v.gauge.call(call)
			return err
		},
		Note: v.ledger.verified,
	})
	return err
}

func (v *verifier) close() error {
	if v.reader == nil {
		return nil
	}
	return v.reader.Close()
}

// start begins reading what is handed over.
func (v *verifier) start() {
	v.reading, v.cancel = context.WithCancel(context.Background())
	v.ended.Go(func() { // by the end of the job, or by stop
		select {
		case <-v.ending.over:
			v.cancel()
		case <-v.reading.Done():
		}
	})
	v.ended.Go(func() { // by finish
		defer close(v.ran)
		v.run()
	})
}

// finish waits until what was handed over is reported. Nothing may be handed over after that.
func (v *verifier) finish() {
	close(v.finished)
	<-v.ran
}

// stop reads what is to be read at the end, and waits until everything has ended.
func (v *verifier) stop() {
	if isClosed(v.ending.over) {
		v.cancel() // now, whether or not that has been seen elsewhere
	}
	if v.task.verify == bulkheadv1.VerifyMode_VERIFY_MODE_END {
		listed, numbered := v.rotation.kept()
		for number := range numbered.All {
			v.read(v.reading, v.task.wholeContent(number))
		}
		for _, c := range listed {
			v.read(v.reading, c)
		}
	}
	v.cancel()
	v.ended.Wait()
	if m := v.missed; m.files > 0 && !v.ending.isAbandoned() {
		advice := "; raise kill_timeout, of which half is for that"
		if v.ending.isHasty() {
			advice = ""
		}
		v.ledger.failed(fmt.Errorf("%w: %d files with %d B were not read back to the end: the time for that was over%s",
			errVerify, m.files, m.bytes, advice))
	}
}

// hand gives a finished file to the verifier, which reads it if it is to be read, and reports it.
// It returns when the verifier has begun.
func (v *verifier) hand(f *finished) {
	if !v.readsFinished() {
		v.tell(f)
		return
	}
	select {
	case v.finished <- f:
		return
	default:
	}
	v.waiting.Add(1)
	defer v.waiting.Add(-1)
	v.rotation.interrupt()
	select {
	case v.finished <- f:
	case <-v.ending.over:
		v.miss(f.content.target.Written)
		v.tell(f)
	}
}

// tell reports a finished file, then gives it to the rotation: nobody writes over it, or removes
// it, before it is reported.
func (v *verifier) tell(f *finished) {
	if target := &f.content.target; !target.Unfinished {
		if err := v.board.Enter(neighbour.Entry{File: target.File, Written: target.Written}); err != nil {
			v.failed(fmt.Errorf("telling other clients of %s: %w", f.content.name, err))
		}
	}
	if !v.readsLater(f.content) {
		f.turn.content = nil
	}
	v.queue.putRollover(f.closed, f.rollover, v.ending.abandoned)
	v.rotation.finish(f.turn)
}

// run reads what is handed over, and in between what remains, until nothing more is
// handed over.
func (v *verifier) run() {
	for {
		var again <-chan time.Time
		if v.isContinuous() && v.reading.Err() == nil {
			wait := v.readAgain()
			again = time.After(wait)
		}
		select {
		case f, open := <-v.finished:
			if !open {
				return
			}
			f.rollover.Verification = v.read(v.reading, f.content)
			v.tell(f)
		case <-again:
		}
	}
}

// readAgain reads a file that was read before, if there is one, and returns how long to
// wait for the next one.
func (v *verifier) readAgain() time.Duration {
	ctx, stop := context.WithCancel(v.reading)
	defer stop()
	c, wait := v.rotation.read(readPause, stop)
	if c == nil {
		return wait
	}
	defer v.rotation.endReading()
	if v.waiting.Load() == 0 { // else the interrupt may have been before the reading
		v.read(ctx, c)
	}
	return 0
}

// read reads a file back and returns what is wrong with it.
func (v *verifier) read(ctx context.Context, c *content) bulkheadv1.Verification {
	c.checked = time.Now()
	result, err := v.check(ctx, c)
	bad := v.say(c, result)
	c.checked = time.Now()
	switch {
	case err == nil:
		c.target.From = 0
	case ctx.Err() != nil:
		c.target.From = result.Next
		if v.reading.Err() != nil && !c.read {
			v.miss(result.Size - min(result.Next, result.Size))
		}
	default:
		c.unreadable = true
		v.failed(fmt.Errorf("%w: %w", errVerify, err))
		return bulkheadv1.Verification_VERIFICATION_FAILED
	}
	c.read = true
	switch {
	case bad:
		return bulkheadv1.Verification_VERIFICATION_FAILED
	case err != nil:
		return bulkheadv1.Verification_VERIFICATION_OFF
	default:
		return bulkheadv1.Verification_VERIFICATION_OK
	}
}

func (v *verifier) check(ctx context.Context, c *content) (result verify.Result, err error) {
	result.Size = c.target.Written
	if err := ctx.Err(); err != nil {
		return result, err
	}
	var f *verify.File
	if _, err := v.gauge.call(func() (err error) { f, err = v.disk.ReadBack(c.name); return err }); err != nil {
		return result, err
	}
	result, err = v.reader.Check(ctx, f, c.target)
	_, closing := v.gauge.call(f.Close)
	return result, errors.Join(err, closing)
}

// miss notes that bytes of a file are not read.
func (v *verifier) miss(bytes uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.missed.files++
	v.missed.bytes += bytes
}
