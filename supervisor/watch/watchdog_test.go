package watch

import (
	"strings"
	"testing"
	"time"
)

// TestWatchdog plays what a handler does against the clock. A step of the script is an
// eighth of the limit, in which the watchdog looks once.
func TestWatchdog(t *testing.T) {
	const limit = 4 * time.Second
	const step = limit / looksPerLimit
	type look struct {
		ping   bool          // the watchdog gets to send
		answer bool          // the handler answers
		busy   time.Duration // what it says of itself
		late   time.Duration // how much later than a step the watchdog runs
	}
	repeat := func(n int, l look) []look {
		var out []look
		for range n {
			out = append(out, l)
		}
		return out
	}
	for _, tt := range []struct {
		name   string
		script []look
		hung   string // "" if it must not be
	}{
		{"answers", repeat(20, look{ping: true, answer: true}), ""},
		{"answers, at work for just so long", repeat(20, look{ping: true, answer: true, busy: 3 * time.Second}), ""},
		{"answers, at work for too long", repeat(2, look{ping: true, answer: true, busy: 3*time.Second + 1}), "at work on one frame for 3s"},
		{"stops", repeat(9, look{ping: true}), "answered nothing for 3.5s"},
		{"stops and goes on in time", append(repeat(6, look{ping: true}), repeat(9, look{ping: true, answer: true})...), ""},
		{"the supervisor itself was stopped", append(repeat(2, look{ping: true}), look{late: time.Hour, answer: true}, look{ping: true, answer: true}), ""},
		{"no ping could be sent", repeat(20, look{}), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now := time.Now()
			w := NewWatchdog(limit, now)
			var nonce uint64
			got := ""
			for _, l := range tt.script {
				now = now.Add(step + l.late)
				if l.ping {
					if n := w.Due(now); n != 0 {
						nonce = n
					}
				}
				if why := w.Hung(now); why != "" && got == "" {
					got = why
				}
				if l.answer {
					w.Answered(nonce, l.busy)
				}
			}
			if got == "" {
				got = w.Hung(now)
			}
			if (got == "") != (tt.hung == "") || !strings.Contains(got, tt.hung) {
				t.Errorf("hung says %q; want %q", got, tt.hung)
			}
		})
	}
}

// A handler that stops at whatever moment between two pings, or begins to work on one frame
// for ever, is found before the limit has passed, and not long before.
func TestWatchdogFindsAHangWithinItsLimit(t *testing.T) {
	const limit = 15 * time.Second
	begin := time.Now()
	for _, busy := range []bool{false, true} {
		for stop := time.Duration(0); stop < 2*limit/looksPerLimit; stop += limit / 100 {
			w := NewWatchdog(limit, begin)
			found := time.Duration(0)
			for now := time.Duration(0); found == 0 && now < 10*limit; now += limit / 1000 {
				if nonce := w.Due(begin.Add(now)); nonce != 0 && (busy || now < stop) {
					w.Answered(nonce, max(0, now-stop))
				}
				if now%w.Every == 0 && w.Hung(begin.Add(now)) != "" {
					found = now - stop
				}
			}
			if found > limit || found < limit*2/3 {
				t.Errorf("at work %v: what hangs %s after the first ping is found after %s; want nearly %s", busy, stop, found, limit)
			}
		}
	}
}

// A handler whose answer cannot be read, because the journal is slow, does not hang. It
// does when it still has not answered long after.
func TestWatchdogWaitsForTheJournal(t *testing.T) {
	const limit = 4 * time.Second
	now := time.Now()
	w := NewWatchdog(limit, now)
	look := func(n int) (why string) {
		for range n {
			now = now.Add(w.Every)
			if got := w.Hung(now); got != "" {
				why = got
			}
		}
		return why
	}
	look(1)
	if w.Due(now) == 0 {
		t.Fatal("no ping is due")
	}
	w.Hear(false)
	if why := look(10 * looksPerLimit); why != "" {
		t.Errorf("hung says %q while nobody reads", why)
	}
	w.Hear(true)
	if why := look(looksPerLimit - 2); why != "" {
		t.Errorf("hung says %q just after", why)
	}
	if why := look(2); why == "" {
		t.Error("hung says nothing of a handler that never answers")
	}
}

// A hostile handler's answers to pings that were not sent change nothing.
func TestWatchdogBelievesNoOtherAnswer(t *testing.T) {
	now := time.Now()
	w := NewWatchdog(time.Second, now)
	if w.Answered(0, time.Hour) || w.Answered(7, time.Hour) {
		t.Error("an answer is taken before any ping")
	}
	if why := w.Hung(now); why != "" {
		t.Errorf("hung says %q before any ping", why)
	}
	now = now.Add(time.Second)
	n := w.Due(now)
	if n == 0 {
		t.Fatal("no ping is due after a second")
	}
	if w.Answered(n+1, 0) {
		t.Error("the answer to another ping is taken")
	}
	if w.Due(now.Add(time.Second)) != 0 {
		t.Error("another ping is due although the last was not answered")
	}
}
