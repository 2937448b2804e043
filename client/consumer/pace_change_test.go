package consumer

import (
	"testing"
	"time"

	"bulkhead/internal/workload"
)

// dues books n chunks of a size, and returns when they are due.
func dues(p *pace, n, size int) (list []time.Duration) {
	for range n {
		list = append(list, p.book(size))
	}
	return list
}

// between returns how many of them are due in a time.
func between(list []time.Duration, from, to time.Duration) (n int) {
	for _, due := range list {
		if due >= from && due < to {
			n++
		}
	}
	return n
}

// TestAnotherRateHoldsFromItsMoment changes the rate of a schedule that is on time, ahead and behind: what
// is due before the change is due at the old rate, what is due after it at the new one, and there is no
// burst at it.
func TestAnotherRateHoldsFromItsMoment(t *testing.T) {
	const size = 1000
	for name, booked := range map[string]int{"ahead": 15, "on time": 10, "behind": 3, "not begun": 0} {
		p := newPace(workload.Consumer{RateBytes: 10 * size})
		p.mean = size
		list := dues(p, booked, size)
		p.change(1, 40*size, 0, time.Second) // from 10 to 40 a second
		list = append(list, dues(p, 60, size)...)
		before, after := between(list, 0, time.Second), between(list, 1500*time.Millisecond, 2*time.Second)
		if before != 10 || after < 19 || after > 21 {
			t.Errorf("%s: %d chunks are due in the second before the change, and %d in half a second behind it; "+
				"want 10 and 20", name, before, after)
		}
		at := between(list, time.Second, 1100*time.Millisecond)
		if at > 5 {
			t.Errorf("%s: %d chunks are due in the tenth of a second at the change; want 4, or one more", name, at)
		}
	}
}

// TestAnOldChangeOfTheRateIsNone gives changes out of order.
func TestAnOldChangeOfTheRateIsNone(t *testing.T) {
	p := newPace(workload.Consumer{RateChunks: 10})
	p.change(2, 0, 100, 0)
	p.change(1, 0, 1, 0)
	p.change(2, 0, 1, 0)
	p.change(3, 0, 0, 0) // which would be none
	if n := between(dues(p, 200, 1), 0, time.Second); n != 100 {
		t.Errorf("%d chunks are due in a second; want the 100 of the newest change", n)
	}
}

// TestAStallAcrossAChangeCountsBothRates leaves a schedule behind over a change: what was due and is not
// written is told at both rates.
func TestAStallAcrossAChangeCountsBothRates(t *testing.T) {
	p := newPace(workload.Consumer{RateChunks: 10})
	p.change(1, 0, 100, time.Second)
	p.change(2, 0, 1000, 2*time.Second)
	told := uint64(0)
	p.overdue(3*time.Second, 3*time.Second, func(waited time.Duration, n uint64) {
		if waited < 0 || waited > 3*time.Second {
			t.Errorf("%d chunks have waited %s", n, waited)
		}
		told += n
	})
	if told < 1108 || told > 1112 {
		t.Errorf("%d chunks are told; want the 10, 100 and 1000 of three seconds", told)
	}
}

// TestManyChangesOfAStuckSchedule keeps no more changes than there is a use for.
func TestManyChangesOfAStuckSchedule(t *testing.T) {
	p := newPace(workload.Consumer{RateChunks: 1})
	for i := range uint32(5 * mostChanges) {
		p.change(i+1, 0, float64(i+1), time.Hour+time.Duration(i))
	}
	if n := len(p.changes); n > mostChanges {
		t.Errorf("%d changes wait; want %d at most", n, mostChanges)
	}
	if last := p.changes[len(p.changes)-1]; last.perChunk != float64(time.Second)/(5*mostChanges) {
		t.Errorf("the newest change is %+v", last)
	}
}
