package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/journal"
	"bulkhead/supervisor/report/fold"
	"bulkhead/supervisor/report/render"
)

const (
	// foldEvery is how often what has come to the journal is folded.
	foldEvery = time.Second
	// foldBytes of the journal are folded at a time, and then the processors are left
	// alone for as long as that took: behind, folding takes half of one processor.
	foldBytes = 4 << 20
	// reportEvery is the least time between two reports that are made, and reportShare
	// how many times as long as making one takes it is: a tenth of one processor.
	reportEvery = time.Second
	reportShare = 10
)

var (
	// errNoRun says that there is nothing to report yet.
	errNoRun = errors.New("no run has begun yet")
	// errNoneBefore says that there was no run before the one that is served.
	errNoneBefore = errors.New("no run has ended yet")
)

// folding is the report of the run so far. One goroutine, Run, owns all but asked.
type folding struct {
	source Source
	log    *slog.Logger
	asked  chan wanted // by those who want the report
	over   atomic.Bool // the last run has ended; nothing more comes

	dir      string // the journal that is followed; "" if none was yet
	follower *journal.Follower
	folder   *fold.Folder
	behind   bool  // there is more to fold already
	broken   error // why nothing more is folded of it
	last     [forms]built
	before   built // the page of the run before, as it ended
}

// form is how the report is wanted.
type form int

const (
	asJSON form = iota
	asPage
	forms // how many there are

	asBefore // the page of the run before
)

// wanted is a question for the report.
type wanted struct {
	form   form
	answer chan<- built
}

// built is a report, or why there is none.
type built struct {
	data   []byte
	policy string    // of a page
	due    time.Time // from when on another is made
	final  bool      // made when all runs were over
	err    error
}

func newFolding(source Source, log *slog.Logger) *folding {
	return &folding{source: source, log: log, asked: make(chan wanted)}
}

// Run folds until ctx is done.
func (f *folding) Run(ctx context.Context) {
	defer f.leave()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			began := time.Now()
			f.forget(began)
			f.fold()
			pause := foldEvery
			if f.behind {
				pause = time.Since(began)
			}
			timer.Reset(pause)
		case w := <-f.asked:
			w.answer <- f.report(w.form)
		case <-ctx.Done():
			return
		}
	}
}

// soFar returns the report of the run so far, at most a little old.
func (f *folding) soFar(ctx context.Context, as form) built {
	answer := make(chan built, 1)
	select {
	case f.asked <- wanted{as, answer}:
	case <-ctx.Done():
		return built{err: ctx.Err()}
	}
	select {
	case b := <-answer:
		return b
	case <-ctx.Done():
		return built{err: ctx.Err()}
	}
}

// fold takes in what has come to the journal, or some of it.
func (f *folding) fold() {
	if dir := f.source.Journal(); dir != "" && dir != f.dir {
		f.keepBefore()
		f.leave()
		f.dir, f.follower, f.folder = dir, journal.Follow(dir), fold.NewFolder()
		f.follower.Short = f.folder.Shorten
		f.broken, f.last = nil, [forms]built{}
	}
	f.follow()
}

// keepBefore makes the page of the run that is followed, which has ended, before another
// is.
func (f *folding) keepBefore() {
	if f.folder == nil {
		return
	}
	for f.follow(); f.behind; {
		f.follow()
	}
	f.before = f.make(asPage)
}

// follow folds some of what has come to the journal that is followed.
func (f *folding) follow() {
	f.behind = false
	if f.follower == nil || f.broken != nil {
		return
	}
	f.behind, f.broken = f.follower.Next(foldBytes, func(r *bulkheadv1.Record) error {
		_ = f.folder.Add(r) // the Folder remembers what it could not use, and states it
		return nil
	})
	if f.broken != nil {
		f.behind = false
		f.log.Error("the live report ends here", "error", f.broken)
	}
}

// report makes a report, unless the last one is still good.
func (f *folding) report(as form) built {
	over := f.over.Load()
	for f.fold(); over && f.behind; {
		f.fold()
	}
	switch {
	case as == asBefore && f.before.data == nil && f.before.err == nil:
		return built{err: errNoneBefore}
	case as == asBefore:
		return f.before
	case f.folder == nil:
		return built{err: errNoRun}
	}
	last := &f.last[as]
	if last.data != nil && (last.final || !over && time.Now().Before(last.due)) {
		return *last
	}
	made := f.make(as)
	if made.err != nil {
		return made
	}
	made.final = over
	*last = made
	return made
}

// forget lets go of reports that are too old to be given out: one of a thousand clients is tens of
// megabytes.
func (f *folding) forget(now time.Time) {
	for as, b := range f.last {
		if !b.final && !now.Before(b.due) {
			f.last[as] = built{}
		}
	}
}

// make makes a report of what was folded.
func (f *folding) make(as form) built {
	began := time.Now()
	var out bytes.Buffer
	var err error
	if r := f.folder.SoFar(); as == asPage {
		err = render.HTML(r, &out)
	} else {
		err = r.JSON(&out)
	}
	if err != nil {
		return built{err: fmt.Errorf("making the report: %w", err)}
	}
	made := built{data: out.Bytes()}
	if as == asPage {
		made.policy = policy(made.data, "frame-ancestors 'self'")
	}
	took := time.Since(began)
	made.due = time.Now().Add(max(reportEvery, reportShare*took))
	return made
}

// leave lets go of the journal that is followed.
func (f *folding) leave() {
	if f.follower != nil {
		f.follower.Close() // it was only read
	}
}
