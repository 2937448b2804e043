package schedule_test

import (
	"math"
	"testing"
	"time"

	"bulkhead/client/consumer/schedule"
	"bulkhead/internal/workload"
)

// Every list of three stages of these kinds, looked at after every step of one second, with bytes that
// are spent or not: each stage begins once and ends once, in order, when it is due.
func TestEverySchedule(t *testing.T) {
	kinds := []workload.Stage{
		{Duration: time.Second}, {Duration: 3 * time.Second, Pause: 2 * time.Second},
		{TotalBytes: 1}, {TotalBytes: 1, Duration: 2 * time.Second, Pause: time.Second},
	}
	const spend = 16 // how many seconds of a run have bytes that are spent, as bits
	for n := range len(kinds) * len(kinds) * len(kinds) {
		list := workload.Stages{kinds[n%4], kinds[n/4%4], kinds[n/16]}
		for bits := range 1 << 6 {
			play(t, list, func(second int) bool { return second >= spend || bits>>(second%6)&1 == 1 })
		}
	}
}

// play goes through stages, and checks each event against what is due.
func play(t *testing.T, list workload.Stages, spent func(second int) bool) {
	t.Helper()
	var s schedule.State
	events := 0
	since := time.Duration(0) // of the event before
	for second := 0; second < 100; second++ {
		now := time.Duration(second) * time.Second
		for {
			before := s
			next, what := s.Next(list, now, spent(second))
			if what == schedule.None {
				if due, ok := s.Due(list); ok && due <= now {
					t.Fatalf("%+v: nothing happens at %v; due at %v", list, now, due)
				}
				break
			}
			s = next
			stage := list[before.Stage]
			switch want := events / 2; {
			case before.Stage != want, (events%2 == 0) != (what == schedule.Begin):
				t.Fatalf("%+v: event %d is %v of stage %d", list, events, what, before.Stage)
			case what == schedule.Begin && next.Since != since+stage.Pause:
				t.Fatalf("%+v: stage %d begins at %v; the one before ended at %v", list, want, next.Since, since)
			case what == schedule.End && next.Since > now, next.Since < since:
				t.Fatalf("%+v: stage %d ends at %v; it is %v", list, want, next.Since, now)
			case what == schedule.End && stage.TotalBytes == 0 && next.Since != since+stage.Duration,
				what == schedule.End && stage.Duration > 0 && next.Since > since+stage.Duration:
				t.Fatalf("%+v: stage %d lasts from %v to %v", list, want, since, next.Since)
			}
			events++
			since = next.Since
		}
	}
	if events != 2*len(list) || !s.Over(list) {
		t.Fatalf("%+v: %d events; then %+v", list, events, s)
	}
	if _, ok := s.Due(list); ok {
		t.Fatal("something is due behind the last stage")
	}
}

// A consumer that did not run for a while goes through what it has missed at once, and is then where
// those are that ran.
func TestWhatWasMissedIsOver(t *testing.T) {
	list := workload.Stages{{Duration: time.Second}, {Duration: time.Second, Pause: time.Second},
		{Duration: time.Minute}}
	var s schedule.State
	for what := schedule.Begin; what != schedule.None; {
		s, what = s.Next(list, 10*time.Second, false)
	}
	if want := (schedule.State{Stage: 2, Writing: true, Since: 3 * time.Second}); s != want {
		t.Errorf("after 10 s it is at %+v; want %+v", s, want)
	}
}

func TestNoStages(t *testing.T) {
	var s schedule.State
	if _, what := s.Next(nil, time.Hour, true); what != schedule.None || !s.Over(nil) {
		t.Error("something happens without stages")
	}
}

func TestRate(t *testing.T) {
	for _, row := range []struct {
		bytes   uint64
		in      time.Duration
		percent float64
		want    uint64
	}{
		{1000, time.Second, 50, 500},
		{1000, 2 * time.Second, 110, 550},
		{1000, 3 * time.Second, 100, 333},
		{1000, 0, 50, 1}, // nothing was reached: nearly nothing, and not without limit
		{0, time.Second, 50, 1},
		{1, time.Hour, 0.1, 1},
		{math.MaxUint64, time.Second, 100, workload.MaxRateBytes},
	} {
		if got := schedule.Rate(row.bytes, row.in, row.percent); got != row.want {
			t.Errorf("%g %% of %d B in %v is %d B/s; want %d", row.percent, row.bytes, row.in, got, row.want)
		}
	}
}
