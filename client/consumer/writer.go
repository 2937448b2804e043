package consumer

import (
	"errors"
	"math"
	"time"

	"bulkhead/client/block"
	"bulkhead/client/budget"
	"bulkhead/client/consumer/disk"
	"bulkhead/client/consumer/layout"
	"bulkhead/client/names"
)

// writer writes file after file until the end has begun. It belongs to one
// goroutine.
type writer struct {
	index    int
	task     *task
	disk     disk.Disk
	source   *block.Source
	layout   *layout.Layout
	gauge    *gauge
	ledger   *ledger
	queue    *queue
	rotation *rotation
	ending   *ending
	claim    *claim // in the reserve
	budget   *budget.Budget
	some     int // bytes written of a chunk that failed
	verifier *verifier
	stages   *stages
	stage    *stage // of the chunk that is written, or was written last
	clock    *clock
	failed   func(error) // counts a failure, and ends the job if it is to end then
	unit     uint64      // what O_DIRECT wants sizes to be a multiple of; 1 without
	thought  bool        // a chunk was written before
	yielder
}

// run writes until the end has begun. After a failure it pauses, for longer each time
// in a row.
func (w *writer) run() {
	failures := 0
	for !w.ending.hasBegun() {
		if w.budget.Spent() {
			w.rest()
			continue
		}
		if w.stage = w.stages.at(w.index); w.stage == nil {
			<-w.ending.begun // all stages are over, if that is not what has come
			return
		}
		err := w.step()
		if err == nil {
			failures = 0
			continue
		}
		w.failed(err)
		failures++
		began := w.clock.now()
		w.ending.pause(retry.After(failures, 0))
		if now := w.clock.now(); w.stage.pace != nil {
			w.stage.pace.forgive(now-began, now)
		}
	}
}

// budgetLook is how often a writer looks whether somebody gave something back to a budget
// that was spent, because a write failed.
const budgetLook = 100 * time.Millisecond

// rest waits while the budget is spent: for the end, as a rule.
func (w *writer) rest() {
	w.ledger.pause()
	for w.budget.Spent() && !w.ending.hasBegun() {
		w.ending.pause(budgetLook)
	}
	if !w.ending.hasBegun() {
		w.ledger.resume()
	}
}

// step writes one file. It begins none while there are too many to be removed.
func (w *writer) step() error {
	t, ok := w.rotation.next(w.ending.begun)
	if !ok {
		return nil
	}
	defer w.claim.end()
	f := &loadFile{turn: t, stage: w.stage, name: names.LoadFile(t.number), target: w.layout.Begin()}
	if err := w.source.Begin(w.task.blockFile(f)); err != nil {
		return err
	}
	if err := w.open(f); err != nil {
		return err
	}
	switch err := w.fill(f); {
	case err == nil:
	case isFatal(err):
		w.failed(err) // which ends the job; what was written of the file is reported
		w.cut(f)
	default:
		w.discard(f)
		return err
	}
	switch {
	case w.ending.isAbandoned():
		w.discard(f) // there is nobody to tell
	case f.chunks == 0 && f.generation > 1:
		return w.giveBack(f)
	case f.chunks == 0:
		w.discard(f) // never began
	default:
		return w.finish(f)
	}
	return nil
}

// open makes the file, or opens it again if it is to be written over. A number is
// used once, whether that works or not.
func (w *writer) open(f *loadFile) (err error) {
	if f.generation > 1 {
		return w.reopen(f)
	}
	if err := w.claim.begin(f.target, 0, true, w.task.spec.GetPreallocate(), w.clock.now()); err != nil {
		return err
	}
	f.creating, err = w.gauge.call(func() (err error) {
		f.File, err = w.disk.Create(f.name, w.mode())
		return err
	})
	if err != nil {
		return err
	}
	w.claim.made()
	w.rotation.begin(f.turn)
	return w.prepare(f)
}

// reopen opens a file that exists.
func (w *writer) reopen(f *loadFile) (err error) {
	if err := w.verifier.board.Strike(f.number); err != nil {
		w.discard(f) // else others would take what is written now for what was there
		return err
	}
	f.creating, err = w.gauge.call(func() (err error) {
		if f.File, err = w.disk.Reopen(f.name, w.mode()); err == nil {
			f.had, err = f.Size()
		}
		return err
	})
	if err != nil {
		w.discard(f)
		return err
	}
	if err := w.claim.begin(f.target, f.had, false, w.task.spec.GetPreallocate(), w.clock.now()); err != nil {
		if err := w.giveBack(f); err != nil {
			w.ledger.failed(err)
		}
		return err
	}
	return w.prepare(f)
}

// mode returns how files are opened.
func (w *writer) mode() disk.Mode {
	mode := w.task.mode
	mode.DSync = w.stage.dsync()
	return mode
}

// prepare allocates the file's space if that is asked for, unless nothing will be written.
func (w *writer) prepare(f *loadFile) error {
	if w.task.spec.GetPreallocate() && !w.ending.isDue() {
		took, err := w.gauge.call(func() error { return f.Allocate(f.target) })
		if err != nil {
			w.discard(f)
			return err
		}
		f.creating += took
		f.allocated = true
		if err := w.claim.allocated(w.clock.now()); err != nil {
			w.discard(f)
			return err
		}
	}
	w.ledger.took(phaseCreate, f.creating)
	return nil
}

// fill writes chunks until the file is whole, or must end before; then it is partial.
func (w *writer) fill(f *loadFile) error {
	for {
		offset, size := w.layout.Next()
		if size == 0 {
			return nil
		}
		due, ok := w.await(f, size)
		if !ok {
			w.cut(f)
			return nil
		}
		if f.chunks == 0 {
			f.firstWrite = time.Now()
		}
		if err := w.writeChunk(f, offset, size); err != nil {
			if w.stage.pace != nil {
				w.stage.pace.drop(w.index)
			}
			return err
		}
		if w.stage.pace != nil && w.stage.pace.wrote(w.index) {
			w.ledger.took(phaseResponse, w.clock.now()-due)
		}
	}
}

// await waits until a chunk of that size may be written to the file, in whichever stage that is, and
// returns when it was due. It returns false when the file must end here: the end is due, the budget
// spent, the stages over, or the stage that has come wants files to be opened in another way.
func (w *writer) await(f *loadFile, size int) (due time.Duration, ok bool) {
	for {
		if w.ending.isDue() || w.budget.Spent() {
			return 0, false
		}
		one := w.stages.at(w.index)
		if one == nil || one.dsync() != f.stage.dsync() {
			return 0, false
		}
		w.stage, f.stage = one, one
		due, ok = w.turn(size)
		switch {
		case ok:
			return due, true
		case one.over == nil || w.ending.isDue():
			return 0, false
		}
	}
}

// turn waits until a chunk of that size is due in the current stage, and takes it from the budgets.
func (w *writer) turn(size int) (due time.Duration, ok bool) {
	if !w.think() {
		return 0, false
	}
	p := w.stage.pace
	if p != nil {
		due = p.bookFor(w.index, size)
		ok = w.until(due)
	} else {
		ok = !isClosed(w.stage.over)
	}
	if ok && w.stage.take(size) {
		if w.budget.Take(size) {
			return due, true
		}
	}
	if p != nil {
		p.drop(w.index)
	}
	return 0, false
}

// think waits between two chunks, if that is asked for. It returns false when the
// writer has to stop.
func (w *writer) think() bool {
	if w.task.thinkTime == 0 {
		return true
	}
	if !w.thought {
		w.thought = true
		return true
	}
	return w.until(w.clock.now() + w.task.thinkTime)
}

// until waits until then. It returns false when the writer has to stop, has nothing left to
// write, or its stage is over.
func (w *writer) until(then time.Duration) bool {
	for w.budget != nil && w.clock.now()+budgetLook < then {
		if w.budget.Spent() || !w.clock.until(w.clock.now()+budgetLook) {
			return false
		}
	}
	if ends := w.stage.ends; ends > 0 && then >= ends {
		then = math.MaxInt64 // not in this stage
	}
	return w.clock.within(w.stage.over, then)
}

// cut ends a file before its size.
func (w *writer) cut(f *loadFile) {
	f.partial = true
	f.cut = !w.ending.isDue()
}

// finish syncs and closes a file and says so. A partial file is not synced when the time
// to stop has come already.
func (w *writer) finish(f *loadFile) error {
	err := w.complete(f)
	if err != nil {
		w.discard(f)
		return err
	}
	if err := w.close(f); err != nil {
		w.rotation.spoil(f.turn)
		return err
	}
	w.ledger.took(phaseClose, f.closing)
	w.verifier.hand(w.finished(f))
	return nil
}

// complete gives a file its final size and forces it to storage.
func (w *writer) complete(f *loadFile) error {
	if f.had > f.end || f.allocated && f.partial {
		if _, err := w.gauge.call(func() error { return f.Truncate(f.end) }); err != nil {
			return err
		}
	}
	if f.partial && !f.cut || !f.stage.syncsFiles() {
		return nil
	}
	return w.sync(f, f.Sync)
}

// giveBack leaves a file that was to be written over as it is.
func (w *writer) giveBack(f *loadFile) error {
	var err error
	if f.allocated && f.target > f.had {
		_, err = w.gauge.call(func() error { return f.Truncate(f.had) })
	}
	if err != nil {
		w.discard(f)
		return err
	}
	if err := w.close(f); err != nil {
		w.rotation.spoil(f.turn)
		return err
	}
	err = w.verifier.board.Restore(f.number)
	w.rotation.giveBack(f.turn)
	return err
}

// sync forces a file to storage in the given way.
func (w *writer) sync(f *loadFile, how func() error) error {
	took, err := w.gauge.call(how)
	if err != nil {
		return err
	}
	f.syncing += took
	w.ledger.took(phaseSync, took)
	return nil
}

// discard closes a file that will not be finished, if it is open, and has it removed.
// What fails then is counted.
func (w *writer) discard(f *loadFile) {
	if f.File != nil {
		if err := w.close(f); err != nil {
			w.ledger.failed(err)
		}
	}
	w.rotation.spoil(f.turn)
}

func (w *writer) close(f *loadFile) (err error) {
	f.closing, err = w.gauge.call(f.Close)
	return err
}

// isFatal reports whether what happened ends the job, in order, whatever on_error says.
func isFatal(err error) bool { return errors.Is(err, errReserve) }
