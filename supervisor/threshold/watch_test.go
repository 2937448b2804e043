package threshold

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"bulkhead/internal/assertion"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/raw"
)

func watchOf(t testing.TB, texts ...string) *Watch {
	t.Helper()
	var list []assertion.Assertion
	for _, text := range texts {
		a, err := assertion.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, a)
	}
	return New(list)
}

// second is one second of a run: what was written in it, how long every write took, and what was
// counted by its end.
type second struct {
	megabytes               uint64
	latency                 time.Duration
	errors, stalled, missed uint64
	gap                     time.Duration // nobody looked for so long before it
	early, apart            bool          // not all have begun; not all are at work
}

func times(n int, s second) []second {
	list := make([]second, n)
	for i := range list {
		list[i] = s
	}
	return list
}

func then(lists ...[]second) []second {
	var all []second
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

// sketch is of so many writes of one latency.
func sketch(n uint64, latency time.Duration) *raw.Sketch {
	counts := make([]uint64, raw.SketchBuckets)
	for bucket := range counts {
		if raw.SketchBound(bucket) >= uint64(latency) {
			counts[bucket] = n
			break
		}
	}
	s := raw.SketchOf(counts, n, n*uint64(latency), uint64(latency))
	return &s
}

// unevenly is how far apart somebody looks besides a second.
var unevenly = []time.Duration{0, time.Millisecond, -time.Millisecond}

// play returns in which second, from 1, a threshold is breached, and how; 0 for never.
func play(t testing.TB, text string, uneven time.Duration, run []second) (at int, how string) {
	t.Helper()
	w := watchOf(t, text)
	var m Moment
	for i, s := range run {
		m.At += time.Second + s.gap + uneven
		m.Bytes += s.megabytes * 1e6
		m.Errors, m.Stalled, m.Missed = m.Errors+s.errors, m.Stalled+s.stalled, m.Missed+s.missed
		m.Writes = sketch(min(s.megabytes, 1)*100, s.latency)
		m.Begun, m.Whole, m.Delay = !s.early, !s.early && !s.apart, 3*time.Second
		for _, b := range w.Take(m) {
			if at > 0 {
				t.Errorf("%s is breached again", text)
			}
			at, how = i+1, b.Value
		}
	}
	return at, how
}

func TestBreaches(t *testing.T) {
	good := second{megabytes: 100, latency: time.Millisecond}
	slow := second{megabytes: 10, latency: time.Millisecond}
	late := second{megabytes: 100, latency: 90 * time.Millisecond}
	early := second{early: true, megabytes: 1, latency: time.Second}
	apart := good
	apart.apart, apart.megabytes = true, 0
	paused := good
	paused.gap = MostGap
	for _, row := range []struct {
		name, text string
		run        []second
		at         int
		how        string
	}{
		// Throughput, of which 3 s may be on their way.
		{"kept", "throughput > 50MB/s for 5s", times(100, good), 0, ""},
		{"slow from the begin", "throughput > 50MB/s for 5s", times(100, slow), 9,
			"throughput was at most 16 MB/s in 5s"},
		{"not before all have begun", "throughput > 50MB/s for 5s", then(times(50, early), times(8, slow)), 0, ""},
		{"and then in a whole window", "throughput > 50MB/s for 5s", then(times(50, early), times(10, slow)), 59,
			"throughput was at most 16 MB/s in 5s"},
		{"a dip", "throughput > 50MB/s for 5s", then(times(20, good), times(5, slow), times(20, good)), 0, ""},
		{"a long dip", "throughput > 50MB/s for 5s", then(times(20, good), times(9, slow), times(20, good)), 27,
			"throughput was at most 34 MB/s in 5s"},
		{"just below", "throughput > 101MB/s for 10s", times(200, good), 0, ""}, // the end judges
		{"a tenth below", "throughput > 114MB/s for 10s", times(200, good), 34,
			"throughput was at most 110 MB/s in 30s"},
		{"nobody is at work any more", "throughput > 50MB/s for 5s", then(times(9, good), times(100, apart)), 0, ""},
		{"away in between", "throughput > 50MB/s for 5s", then(times(8, slow), times(1, apart), times(8, slow)), 0, ""},
		{"nobody looked", "throughput > 50MB/s for 5s", then(times(8, slow), times(1, paused), times(7, slow)), 0, ""},
		{"too fast", "throughput < 50MB/s for 10s", times(100, good), 11, "throughput was at least 70 MB/s in 10s"},
		{"not too fast", "throughput <= 50MB/s for 10s", times(100, slow), 0, ""},
		{"nothing at all", "throughput > 0B/s for 1s", times(10, second{}), 5, "throughput was at most 0 B/s in 1s"},

		// Latencies.
		{"kept", "p99 < 50ms for 10s", times(100, good), 0, ""},
		{"high from the begin", "p99 < 50ms for 10s", times(100, late), 11, "p99 was at least 88.1ms in 10s"},
		{"high before all have begun", "p99 < 50ms for 10s", then(times(50, early), times(100, good)), 0, ""},
		{"within its bucket", "p99 < 89ms for 10s", times(100, late), 0, ""}, // 88.1 to 90
		{"one bad second", "p50 < 50ms for 10s", then(times(20, good), times(1, late), times(20, good)), 0, ""},
		{"its percentile", "p99 < 50ms for 10s", then(times(20, good), times(1, late), times(20, good)), 21,
			"p99 was at least 88.1ms in 10s"},
		{"the mean is exact", "mean < 89ms for 10s", times(100, late), 11, "mean was 90ms in 10s"},
		{"the most is exact", "max < 90ms for 10s", times(100, late), 11, "max was 90ms in 10s"},
		{"nothing written", "p99 < 50ms for 10s", times(100, second{}), 0, ""},
		{"nobody looked", "p99 < 50ms for 10s", then(times(10, late), times(1, paused), times(9, late)), 0, ""},
		{"too low", "p50 > 50ms for 10s", times(100, good), 11, "p50 was at most 1ms in 10s"},
		{"goes on while some are away", "p99 < 50ms for 10s", times(100, second{megabytes: 1, latency: time.Second,
			apart: true}), 11, "p99 was at least 973ms in 10s"},

		// Counts.
		{"none", "stalled == 0 abort", times(10, good), 0, ""},
		{"one", "stalled == 0 abort", then(times(9, good), times(1, second{stalled: 1})), 10, "stalled was 1"},
		{"also early", "errors <= 1 abort", then(times(1, early), times(2, second{errors: 1, early: true})), 3,
			"errors was 2"},
		{"not reached", "errors == 3 abort", times(3, second{errors: 1}), 0, ""},
		{"more than asserted", "errors == 3 abort", times(4, second{errors: 1}), 4, "errors was 4"},
		{"now and then", "missed < 3 for 5s", times(100, second{missed: 0}), 0, ""},
		{"in a window", "missed < 3 for 5s", then(times(50, good), times(3, second{missed: 1})), 53,
			"missed was 3 in 5s"},
		{"over all windows", "missed < 3 for 5s", then(times(1, second{missed: 2}), times(9, good),
			times(1, second{missed: 2})), 0, ""},
		{"not watched", "p99 < 1ns", times(100, good), 0, ""},
	} {
		t.Run(row.text+", "+row.name, func(t *testing.T) {
			for _, uneven := range unevenly {
				at, how := play(t, row.text, uneven, row.run)
				if uneven == 0 && (at != row.at || how != row.how) || (at == 0) != (row.at == 0) ||
					at < row.at || at > row.at+1 {
					t.Errorf("%s apart: breached in second %d: %q; want %d: %q", time.Second+uneven, at, how,
						row.at, row.how)
				}
			}
		})
	}
}

// A breach is told once, also if it was told before this watch.
func TestABreachIsToldOnce(t *testing.T) {
	w := watchOf(t, "stalled == 0 abort", "errors == 0 abort", "lost == 0")
	w.Already("stalled == 0 abort", "stalled was 2")
	if list := w.Take(Moment{Stalled: 5}); len(list) != 0 {
		t.Errorf("told again: %v", list)
	}
	if list := w.Take(Moment{At: time.Second, Stalled: 5, Errors: 1}); len(list) != 1 ||
		list[0].Assertion.Name != "errors" {
		t.Errorf("breaches %v", list)
	}
	if list := w.Take(Moment{At: 2 * time.Second, Stalled: 6, Errors: 2}); len(list) != 0 {
		t.Errorf("told again: %v", list)
	}
	states := w.States()
	if !states[0].Breached || states[0].Value != "stalled was 2" || !states[1].Breached ||
		states[1].Value != "errors was 1" || states[2].Watched || states[2].Breached {
		t.Errorf("states %+v", states)
	}
}

// TestNoFalseBreach plays clients whose rates change at random, whose words are on their way for
// up to Delay, and whom somebody looks at now and then. A threshold that every window of what was
// really written keeps is not breached; one that none keeps, by far, is.
func TestNoFalseBreach(t *testing.T) {
	const tick = 100 * time.Millisecond
	breached := 0
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		window := time.Duration(1+r.IntN(20)) * time.Second
		delay := time.Duration(r.IntN(30)) * tick
		n := int(40 * window / tick)
		written := make([]uint64, n+1) // in all, at the end of each tick
		rate := r.Uint64N(1000)
		for i := 1; i <= n; i++ {
			if r.IntN(50) == 0 {
				rate = r.Uint64N(1000)
			}
			written[i] = written[i-1] + rate
		}
		least, most := bounds(written, int(window/tick))
		for _, text := range []string{
			fmt.Sprintf("throughput >= %dB/s for %s", least/uint64(window/time.Second), window),
			fmt.Sprintf("throughput <= %dB/s for %s", most/uint64(window/time.Second)+1, window)} {
			if got := watched(t, r, text, written, tick, delay); got != "" {
				t.Errorf("seed %d: %s: %s", seed, text, got)
			}
		}
		bad := fmt.Sprintf("throughput > %dB/s for %s", 2*most/uint64(window/time.Second)+1, window)
		if got := watched(t, r, bad, written, tick, delay); strings.Contains(got, "at most") {
			breached++
		}
	}
	if breached < 200 {
		t.Errorf("only %d of 300 rates that are half of what they should be were seen", breached)
	}
}

// bounds returns the least and the most that was written in a window of so many ticks.
func bounds(written []uint64, ticks int) (least, most uint64) {
	least = ^uint64(0)
	for i := ticks; i < len(written); i++ {
		w := written[i] - written[i-ticks]
		least, most = min(least, w), max(most, w)
	}
	return least, most
}

// watched returns how a threshold is breached; "" for never.
func watched(t *testing.T, r *rand.Rand, text string, written []uint64, tick, delay time.Duration) string {
	t.Helper()
	w := watchOf(t, text)
	known := 0 // how far what was written has come
	for i := 0; i < len(written); i += 1 + r.IntN(10) {
		known = max(known, i-r.IntN(int(delay/tick)+1))
		if i > 0 && r.IntN(200) == 0 {
			i = min(i+int(MostGap/tick)+r.IntN(100), len(written)-1)
			known = max(known, i-int(delay/tick))
		}
		m := Moment{At: time.Duration(i) * tick, Bytes: written[known], Writes: new(raw.Sketch), Begun: true,
			Whole: r.IntN(400) > 0, Delay: delay}
		for _, b := range w.Take(m) {
			return b.Value
		}
	}
	return ""
}

// What comes of a client that begins a stage, or is in one that is not reported, is not judged; that of one
// that says to be in none that it has is. Each stage is begun once.
func TestFresh(t *testing.T) {
	w := NewWork(nil, []bool{true, false, false, true})
	for i, row := range []struct {
		stage       uint32
		wrote, over bool
		fresh       bool
	}{
		{0, false, false, true}, {0, true, false, false},
		{1, true, false, true}, {1, true, false, true}, // which is not reported
		{2, true, false, true}, {2, true, false, false}, {2, true, false, false},
		{3, true, false, true}, {3, true, false, false}, {4, true, false, true}, {4, true, false, true},
		{4, true, true, false}, {9, true, false, false},
	} {
		if got := w.Fresh(Sight{Stage: row.stage, Wrote: row.wrote, Over: row.over}); got != row.fresh {
			t.Errorf("sight %d, %+v: %v", i, row, got)
		}
	}
	w = NewWork(nil, []bool{false, false})
	w.Fresh(Sight{Stage: 1})
	if w.Fresh(Sight{Stage: 1}) || !w.Fresh(Sight{Stage: 1, Waits: true}) {
		t.Error("one that waits for others before a stage is watched, or one that does not wait is not")
	}
	if NewWork(nil, nil).Fresh(Sight{Stage: 7}) {
		t.Error("a load without stages is in one")
	}
}

func TestWork(t *testing.T) {
	load := &bulkheadv1.Workload{RampNano: 2e9, Consumers: []*bulkheadv1.ConsumerSpec{{}, {StartDelayNano: 3e9}}}
	w := NewWork(load, nil)
	for i, row := range []struct {
		sight         Sight
		began, atWork bool
	}{
		{Sight{Active: true}, false, false},
		{Sight{Active: true, Wrote: true}, false, false}, // in second 1
		{Sight{Active: true, Wrote: true, Bytes: 1}, false, false},
		{Sight{Active: true, Wrote: true, Bytes: 2}, false, false},
		{Sight{Active: true, Wrote: true, Bytes: 3}, false, false},
		{Sight{Active: true, Wrote: true, Bytes: 3}, false, false},
		{Sight{Active: true, Wrote: true, Bytes: 3}, true, true}, // 5 s later
		{Sight{Active: true, Wrote: true, Bytes: 3}, true, false},
		{Sight{Active: true, Wrote: true, Bytes: 3, Stuck: true}, true, true},
		{Sight{Active: true, Wrote: true, Bytes: 4}, true, true},
		{Sight{Wrote: true, Bytes: 5}, true, false},
		{Sight{Active: true, Wrote: true, Bytes: 6, Over: true}, true, false},
	} {
		row.sight.At, row.sight.Delay = time.Duration(i)*time.Second, 3*time.Second
		if began, atWork := w.See(row.sight); began != row.began || atWork != row.atWork {
			t.Errorf("second %d: began %v, at work %v; want %v, %v", i, began, atWork, row.began, row.atWork)
		}
	}
}
