package watch

import (
	"fmt"
	"sync"
	"time"
)

// Watchdog decides when a handler hangs: it answers no ping, or has been at work on
// one frame, for as long as a limit. It is told the time, which must be monotonic.
//
// A handler that stops just after an answer is found before the limit has passed: what
// counts as its silence begins with the ping after that, up to a ping's distance later.
//
// A ping wakes a process up, so there is none while the handler shows by itself that it lives:
// what it passes on of its client is as good as an answer, for a while. A ping that was sent must be
// answered all the same: while one is open, nobody can say that the client is silent (Attentive).
// A handler that speaks without end and so is never asked gains nothing by it, as all that it says is
// checked by itself, and what says no more than that its client lives it could answer as well.
//
// The time that counts is the time this process was running too: when it was itself
// stopped or had no processor, pings were neither sent nor read, and no handler is
// to blame.
type Watchdog struct {
	limit time.Duration
	every time.Duration // between looks

	mu     sync.Mutex
	nonce  uint64        // guarded by mu; of the newest ping
	asked  time.Time     // guarded by mu; when it was due, or the handler showed later that it lives
	open   bool          // guarded by mu; it is not answered
	waited time.Duration // guarded by mu; for the answer or anything else, in time that counts
	owed   time.Duration // guarded by mu; for the answer alone, in time that counts
	busy   time.Duration // guarded by mu; what the newest answer said
	deaf   bool          // guarded by mu; an answer may be there, but is not read
	looked time.Time     // guarded by mu; when hung was last called
}

const (
	// looksPerLimit is how often in the limit a watchdog looks.
	looksPerLimit = 12
	// looksPerPing is the least distance between two pings, in looks.
	looksPerPing = 3
	// slack is how many looks before the limit it is over: a look may come late, and what stops
	// just after an answer is only asked again a ping later.
	slack = looksPerPing + 1
	// patience is how many limits a handler that says other things may owe an answer: those may have
	// been on their way before it.
	patience = 4
)

// LookFor returns how often Hung is to be called and Due to be asked, for a limit.
func LookFor(limit time.Duration) time.Duration { return max(limit/looksPerLimit, time.Millisecond) }

// NewWatchdog returns a Watchdog for a handler that may make no progress for limit.
func NewWatchdog(limit time.Duration, now time.Time) *Watchdog {
	return &Watchdog{limit: limit, every: LookFor(limit), looked: now, asked: now}
}

// Due returns the number of the next ping when it is time for one, and 0 otherwise.
func (w *Watchdog) Due(now time.Time) uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.open || now.Sub(w.asked) < looksPerPing*w.every-w.every/2 { // a look may come a little early
		return 0
	}
	w.nonce++
	w.open, w.asked, w.waited, w.owed = true, now, 0, 0
	return w.nonce
}

// Answered takes an answer, and returns false for one that was not asked for.
func (w *Watchdog) Answered(nonce uint64, busy time.Duration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.open || nonce != w.nonce {
		return false
	}
	w.open, w.busy = false, busy
	return true
}

// Hear takes note of whether answers are read from now on. While what came before them waits for the
// journal they are not, and the handler is not to blame. It shows that the handler lives, unless
// that was at work on one frame when it was asked last: it may be still.
func (w *Watchdog) Hear(reads bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deaf = !reads
	w.waited = 0
	if !reads && !w.open && w.busy == 0 && w.looked.After(w.asked) {
		w.asked = w.looked // whenever it was between two looks, it is pinged at one of them
	}
}

// Attentive reports whether the handler has answered the newest ping and is at no work, so
// that all that it has read of its client is here.
func (w *Watchdog) Attentive() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.open && !w.deaf && w.busy == 0
}

// Hung returns why the handler hangs; "" while it does not. It is called as often as
// LookFor says.
func (w *Watchdog) Hung(now time.Time) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	passed := now.Sub(w.looked)
	w.looked = now
	if w.open && !w.deaf {
		counts := min(passed, 2*w.every, now.Sub(w.asked))
		w.waited += counts
		w.owed += counts
	}
	switch {
	case w.open && w.waited > w.limit-slack*w.every-w.every/2: // a look may come a little early
		return fmt.Sprintf("it has answered nothing for %s", w.waited.Round(time.Millisecond))
	case w.open && w.owed > patience*w.limit:
		return fmt.Sprintf("it has not answered a ping for %s, though it says other things",
			w.owed.Round(time.Millisecond))
	case !w.open && w.busy > w.limit-slack*w.every:
		return fmt.Sprintf("it has been at work on one frame for %s", w.busy.Round(time.Millisecond))
	default:
		return ""
	}
}
