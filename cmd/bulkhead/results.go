package main

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
	// lastMoment is how long printing goes on after a signal.
	lastMoment = time.Second
)

// result is something to be printed on stdout. lasting says where it can be read
// otherwise; "" if nowhere.
type result struct {
	print   func(io.Writer)
	lasting string
	err     error // of printing it
}

// results prints results on stdout, one after the other. Whoever reads them may take as
// long as they like: nobody waits but the process, at its very end, and a signal ends
// that too.
type results struct {
	out *stdout
	log *sink.Sink // what draws on the same terminal, if out is one

	mu      sync.Mutex
	waiting []result      // guarded by mu; the first is being printed while running
	leftOut []result      // guarded by mu
	failed  []result      // guarded by mu
	held    bool          // guarded by mu; nothing is printed before finish
	idle    chan struct{} // guarded by mu; closed when nothing is printed any more; nil while nothing is
}

// newResults prints on out what is added. held leaves it until finish.
func newResults(out *stdout, log *sink.Sink, held bool) *results {
	return &results{out: out, log: log, held: held}
}

// add has a result printed. It does not wait.
func (r *results) add(one result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) == maxResults {
		r.leftOut = append(r.leftOut, r.waiting[1])
		r.waiting = append(r.waiting[:1], r.waiting[2:]...)
	}
	r.waiting = append(r.waiting, one)
	r.start()
}

// start has somebody print, unless somebody does. mu is held.
func (r *results) start() {
	if r.idle == nil && !r.held && len(r.waiting) > 0 {
		r.idle = make(chan struct{})
		go r.printAll() // ends when all is printed; finish waits for it
	}
}

func (r *results) printAll() {
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
		next.err = r.out.lost()
		r.mu.Lock()
		r.waiting = r.waiting[1:]
		if next.err != nil {
			r.failed = append(r.failed, next)
		}
		r.mu.Unlock()
	}
}

// printOne prints a result, on a terminal between two lines of the log.
func (r *results) printOne(one result) {
	if !terminal.Is(r.out.File()) || !terminal.Is(r.log.File()) {
		one.print(r.out)
		return
	}
	printed := make(chan struct{})
	r.log.Between(func() {
		defer close(printed)
		one.print(r.out)
	})
	<-printed
}

// finish prints what is left, when all else is settled. It returns when that is done, or
// lastMoment after a signal other than SIGHUP, and tells the log of what was not printed.
func (r *results) finish(signals <-chan os.Signal, log *slog.Logger) {
	r.mu.Lock()
	r.held = false
	r.start()
	idle := r.idle
	r.mu.Unlock()
	if idle != nil {
		r.await(idle, signals)
	}
	r.tellLeftOut(log)
}

func (r *results) await(idle <-chan struct{}, signals <-chan os.Signal) {
	var enough <-chan time.Time
	for {
		select {
		case <-idle:
			return
		case sig := <-signals:
			if sig != syscall.SIGHUP && enough == nil {
				timer := time.NewTimer(lastMoment)
				defer timer.Stop()
				enough = timer.C
			}
		case <-enough:
			return
		}
	}
}

// suspend is finish for an upgrade: whoever reads gets a moment.
func (r *results) suspend(log *slog.Logger) {
	r.mu.Lock()
	idle := r.idle
	r.mu.Unlock()
	if idle != nil {
		moment := time.NewTimer(lastMoment)
		defer moment.Stop()
		select {
		case <-idle:
		case <-moment.C:
		}
	}
	r.tellLeftOut(log)
}

func (r *results) tellLeftOut(log *slog.Logger) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held = true
	for _, one := range r.failed {
		where := ""
		if one.lasting != "" {
			where = "; it is in " + one.lasting
		}
		log.Warn("a result could not be printed on standard output"+where, "error", one.err)
	}
	r.failed = nil
	for _, one := range append(r.leftOut, r.waiting...) {
		if one.lasting == "" {
			log.Warn("a result was not printed to its end: nobody reads standard output")
			continue
		}
		log.Warn(fmt.Sprintf("a report was not printed to its end: nobody reads standard output; it is in %s", one.lasting))
	}
	r.leftOut = nil
}
