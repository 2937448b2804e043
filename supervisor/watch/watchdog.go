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
// The time that counts is the time this process was running too: when it was itself
// stopped or had no processor, pings were neither sent nor read, and no handler is
// to blame.
type Watchdog struct {
	limit time.Duration
	Every time.Duration // between pings, and between looks

	mu     sync.Mutex
	nonce  uint64        // guarded by mu; of the newest ping
	asked  time.Time     // guarded by mu; when it was due
	open   bool          // guarded by mu; it is not answered
	waited time.Duration // guarded by mu; for the answer, in time that counts
	busy   time.Duration // guarded by mu; what the newest answer said
	deaf   bool          // guarded by mu; an answer may be there, but is not read
	looked time.Time     // guarded by mu; when hung was last called
}

// looksPerLimit is how often in the limit a watchdog pings and looks.
const looksPerLimit = 8

func NewWatchdog(limit time.Duration, now time.Time) *Watchdog {
	return &Watchdog{limit: limit, Every: max(limit/looksPerLimit, time.Millisecond), looked: now, asked: now}
}

// Due returns the number of the next ping when it is time for one, and 0 otherwise.
func (w *Watchdog) Due(now time.Time) uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.open || now.Sub(w.asked) < w.Every {
		return 0
	}
	w.nonce++
	w.open, w.asked, w.waited = true, now, 0
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

// Hear reports whether answers are read now. While what came before them waits for the
// journal they are not, and the handler is not to blame.
func (w *Watchdog) Hear(now bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deaf = !now
	w.waited = 0
}

// Attentive reports whether the handler has answered the newest ping and is at no work, so
// that all that it has read of its client is here.
func (w *Watchdog) Attentive() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.open && !w.deaf && w.busy == 0
}

// Hung says why the handler hangs; "" while it does not. It is called every w.every.
func (w *Watchdog) Hung(now time.Time) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	passed := now.Sub(w.looked)
	w.looked = now
	if w.open && !w.deaf {
		w.waited += min(passed, 2*w.Every, now.Sub(w.asked))
	}
	switch {
	case w.open && w.waited > w.limit-2*w.Every:
		return fmt.Sprintf("it has answered nothing for %s", w.waited.Round(time.Millisecond))
	case !w.open && w.busy > w.limit-2*w.Every:
		return fmt.Sprintf("it has been at work on one frame for %s", w.busy.Round(time.Millisecond))
	default:
		return ""
	}
}
