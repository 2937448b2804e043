package watch

import (
	"strings"
	"testing"
	"time"
)

// TestWatchdog plays what a handler does against the clock. In a step of the script
// the watchdog looks once.
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
		{"answers, at work for just so long", repeat(20, look{ping: true, answer: true, busy: limit - slack*step}), ""},
		{"answers, at work for too long", repeat(4, look{ping: true, answer: true, busy: 3 * time.Second}),
			"at work on one frame for 3s"},
		{"stops", repeat(12, look{ping: true}), "answered nothing for 2.667s"},
		{"stops and continues in time",
			append(repeat(6, look{ping: true}), repeat(9, look{ping: true, answer: true})...),
			""},
		{"the supervisor itself was stopped",
			append(repeat(2, look{ping: true}), look{late: time.Hour, answer: true}, look{ping: true, answer: true}),
			""},
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

// A handler that stops at whatever moment between two pings, with a frame of its client as its last
// word or without, or begins to work on one frame for ever, is found before the limit has passed,
// and not long before.
func TestWatchdogFindsAHangWithinItsLimit(t *testing.T) {
	const limit = 15 * time.Second
	begin := time.Now()
	for _, way := range []string{"idle", "heard", "at work"} {
		for stop := time.Duration(0); stop < 2*looksPerPing*limit/looksPerLimit; stop += limit / 100 {
			w := NewWatchdog(limit, begin)
			found := time.Duration(0)
			for now := time.Duration(0); found == 0 && now < 10*limit; now += w.every {
				if way == "heard" && stop < now && now-w.every <= stop {
					w.Hear(false)
					w.Hear(true)
				}
				if w.Hung(begin.Add(now)) != "" {
					found = now - stop
				}
				if nonce := w.Due(begin.Add(now)); nonce != 0 && (way == "at work" || now < stop) {
					w.Answered(nonce, max(0, now-stop))
				}
			}
			if found > limit || found < limit*2/3 {
				t.Errorf("%s: what hangs %s after the first ping is found after %s; want nearly %s", way, stop, found,
					limit)
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
			now = now.Add(w.every)
			if got := w.Hung(now); got != "" {
				why = got
			}
		}
		return why
	}
	look(looksPerPing)
	if w.Due(now) == 0 {
		t.Fatal("no ping is due")
	}
	w.Hear(false)
	if why := look(10 * looksPerLimit); why != "" {
		t.Errorf("hung says %q while nobody reads", why)
	}
	w.Hear(true)
	if why := look(looksPerLimit - slack - 1); why != "" {
		t.Errorf("hung says %q just after", why)
	}
	if why := look(2); why == "" {
		t.Error("hung says nothing of a handler that never answers")
	}
}

// A handler that passes on what its client says is not woken up to be asked whether it lives,
// unless it was at work on one frame when it was asked last: that may be still so.
func TestWatchdogPingsNobodyWhoIsHeard(t *testing.T) {
	const limit = 12 * time.Second
	for _, busy := range []time.Duration{0, time.Second} {
		now := time.Now()
		w := NewWatchdog(limit, now)
		now = now.Add(limit)
		if !w.Answered(w.Due(now), busy) {
			t.Fatal("a ping is not answered")
		}
		pings := 0
		for range 10 * looksPerLimit {
			now = now.Add(w.every)
			w.Hear(false)
			w.Hear(true)
			if why := w.Hung(now); why != "" {
				t.Fatalf("hung says %q", why)
			}
			if nonce := w.Due(now); nonce != 0 {
				pings++
				w.Answered(nonce, busy)
			}
		}
		if busy == 0 && pings > 0 || busy > 0 && pings < 10 {
			t.Errorf("busy for %v, and it is heard all the time: %d pings", busy, pings)
		}
	}
}

// A handler that says all kinds of things but does not answer is asked once, and has some limits of time
// for what may have been on its way before the answer. Time in which nobody reads does not count.
func TestWatchdogInsistsOnAnAnswer(t *testing.T) {
	const limit = 12 * time.Second
	begin := time.Now()
	now := begin
	w := NewWatchdog(limit, now)
	now = now.Add(limit)
	if w.Due(now) == 0 {
		t.Fatal("no ping is due")
	}
	look := func() string {
		now = now.Add(w.every)
		w.Hear(false)
		w.Hear(true)
		if w.Due(now) != 0 {
			t.Error("another ping is due although the last was not answered")
		}
		return w.Hung(now)
	}
	for range patience*looksPerLimit - 1 {
		if why := look(); why != "" {
			t.Fatalf("hung says %q after %s", why, now.Sub(begin))
		}
	}
	w.Hear(false)
	for range 10 * looksPerLimit {
		now = now.Add(w.every)
		if why := w.Hung(now); why != "" {
			t.Fatalf("hung says %q while nobody reads", why)
		}
	}
	why := ""
	for range 3 {
		why = look()
	}
	if !strings.Contains(why, "it has not answered a ping for 50s, though it says other things") {
		t.Errorf("hung says %q", why)
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
