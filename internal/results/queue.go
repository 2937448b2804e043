package results

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"

	"bulkhead/internal/sink"
	"bulkhead/internal/terminal"
)

const (
	// maxResults is how many results wait at most to be printed; then the oldest that
	// nobody has begun to read is left out.
	maxResults = 16
	// LastMoment is how long printing continues after a signal.
	LastMoment = time.Second
	// Patience is how long a reader may take nothing of what it is given, at the end, before
	// printing is given up, if the process was asked to end.
	Patience = 10 * time.Second
)

// Result is something to be printed on standard output.
type Result struct {
	Print func(io.Writer)
	// Lasting says where it can be read otherwise; "" if nowhere.
	Lasting string
	err     error // of printing it
}

// Queue prints results, one after the other. Whoever reads them may be slow: nobody waits but
// the process, at its very end; and once it is asked to end, no longer than Patience for a reader
// that takes nothing.
type Queue struct {
	out *Stdout
	log *sink.Sink // what draws on the same terminal, if out is one

	mu      sync.Mutex
	waiting []Result      // guarded by mu; the first is being printed while running
	leftOut []Result      // guarded by mu
	failed  []Result      // guarded by mu
	held    bool          // guarded by mu; nothing is printed before Finish
	idle    chan struct{} // guarded by mu; closed when printing ends; nil while nothing is printed
}

// NewQueue returns a queue that prints on out, between the lines of log if both are one
// terminal. If held, it prints nothing before Finish.
func NewQueue(out *Stdout, log *sink.Sink, held bool) *Queue {
	return &Queue{out: out, log: log, held: held}
}

// Add puts a result into the queue. It does not wait.
func (r *Queue) Add(one Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) == maxResults {
		r.leftOut = append(r.leftOut, r.waiting[1])
		r.waiting = append(r.waiting[:1], r.waiting[2:]...)
	}
	r.waiting = append(r.waiting, one)
	r.start()
}

// start begins to print, unless that has begun. mu is held.
func (r *Queue) start() {
	if r.idle == nil && !r.held && len(r.waiting) > 0 {
		r.idle = make(chan struct{})
		go r.printAll() // ends when all is printed; Finish waits for it
	}
}

func (r *Queue) printAll() {
	for {
		r.mu.Lock()
		if len(r.waiting) == 0 || r.held {
			close(r.idle)
			r.idle = nil
			r.mu.Unlock()
			return
		}
		next := r.waiting[0]
		r.mu.Unlock()
		r.printOne(next)
		next.err = r.out.Lost()
		r.mu.Lock()
		r.waiting = r.waiting[1:]
		if next.err != nil {
			r.failed = append(r.failed, next)
		}
		r.mu.Unlock()
	}
}

// printOne prints a result, on a terminal between two lines of the log.
func (r *Queue) printOne(one Result) {
	if !terminal.Is(r.out.File()) || !terminal.Is(r.log.File()) {
		one.Print(r.out)
		return
	}
	printed := make(chan struct{})
	r.out.waits()
	r.log.Between(func() {
		defer close(printed)
		r.out.waited()
		one.Print(r.out)
	})
	<-printed
}

// Finish prints what is left, when all else is settled. It returns when that is done, or
// LastMoment after a signal other than SIGHUP, and logs what was not printed. If the process was
// asked to end before, no further signal is needed: Finish returns when the reader has taken
// nothing of a write for Patience. Otherwise a reader may take as long as it likes, as one at a pager does.
func (r *Queue) Finish(signals <-chan os.Signal, asked bool, log *slog.Logger) {
	r.mu.Lock()
	r.held = false
	r.start()
	idle := r.idle
	r.mu.Unlock()
	if idle != nil {
		r.await(idle, signals, asked)
	}
	r.tellLeftOut(log)
}

func (r *Queue) await(idle <-chan struct{}, signals <-chan os.Signal, asked bool) {
	var enough <-chan time.Time
	began := time.Now()
	stalled := time.NewTimer(Patience)
	defer stalled.Stop()
	if !asked {
		stalled.Stop()
	}
	for {
		select {
		case <-idle:
			return
		case sig := <-signals:
			if sig != syscall.SIGHUP && enough == nil {
				timer := time.NewTimer(LastMoment)
				defer timer.Stop()
				enough = timer.C
			}
		case <-enough:
			return
		case <-stalled.C:
			left := Patience - r.out.held(began)
			if left <= 0 {
				return
			}
			stalled.Reset(left)
		}
	}
}

// Suspend finishes for an upgrade: whoever reads gets a moment.
func (r *Queue) Suspend(log *slog.Logger) {
	r.mu.Lock()
	idle := r.idle
	r.mu.Unlock()
	if idle != nil {
		moment := time.NewTimer(LastMoment)
		defer moment.Stop()
		select {
		case <-idle:
		case <-moment.C:
		}
	}
	r.tellLeftOut(log)
}

func (r *Queue) tellLeftOut(log *slog.Logger) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held = true
	for _, one := range r.failed {
		where := ""
		if one.Lasting != "" {
			where = "; it is in " + one.Lasting
		}
		log.Warn("a result could not be printed on standard output"+where, "error", one.err)
	}
	r.failed = nil
	for _, one := range append(r.leftOut, r.waiting...) {
		if one.Lasting == "" {
			log.Warn("a result was not printed to its end: nobody reads standard output")
			continue
		}
		log.Warn(fmt.Sprintf("a report was not printed to its end: nobody reads standard output; it is in %s",
			one.Lasting))
	}
	r.leftOut = nil
}
