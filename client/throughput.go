package client

import (
	"fmt"
	"sync"
	"time"

	"bulkhead/client/spec"
	"bulkhead/internal/human"
	"bulkhead/internal/variation"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// lateIntervals is how many intervals are left out at the end, because some consumer
// may not have said yet what it did in them.
const lateIntervals = 2

// throughput is what all consumers together wrote in each interval of a load, put
// together from their Progress messages. Those come at any time and of intervals that
// lie anywhere, so what one says is spread evenly over the time that it speaks of.
type throughput struct {
	interval time.Duration

	mu    sync.Mutex
	began time.Time         // of the load; guarded by mu
	bytes map[int64]float64 // by number of the interval; guarded by mu
}

func newThroughput(began time.Time, interval time.Duration) *throughput {
	return &throughput{interval: interval, began: began, bytes: make(map[int64]float64)}
}

// begin starts the measurement: the load begins now.
func (t *throughput) begin(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.began = now
}

// count takes what a consumer says. Its interval is taken to end when it arrives, not at
// the wall clock's time in it, which may be set meanwhile.
func (t *throughput) count(m *bulkheadv1.Message, arrived time.Time) {
	p := m.GetProgress()
	if p.GetBytes() == 0 {
		return
	}
	t.mu.Lock()
	to := arrived.Sub(t.began)
	t.mu.Unlock()
	t.add(to-time.Duration(p.GetIntervalNano()), to, float64(p.GetBytes()))
}

// add spreads bytes over a time, from the beginning of the load.
func (t *throughput) add(from, to time.Duration, bytes float64) {
	if to <= from {
		from = to - 1
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for number := floorDiv(from, t.interval); ; number++ {
		start := time.Duration(number) * t.interval
		part := min(to, start+t.interval) - max(from, start)
		if part <= 0 {
			return
		}
		t.bytes[number] += bytes * float64(part) / float64(to-from)
	}
}

// last returns the bytes of each interval within the window before now, without the
// latest ones (see lateIntervals), oldest first. It returns nil when the window reaches
// back to before since: not everything had begun.
func (t *throughput) last(now, window, since time.Duration) []float64 {
	end := floorDiv(now, t.interval) - lateIntervals
	begin := end - int64(window/t.interval)
	if time.Duration(begin)*t.interval < since {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	values := make([]float64, 0, end-begin)
	for number := begin; number < end; number++ {
		values = append(values, t.bytes[number])
	}
	for number := range t.bytes {
		if number < begin {
			delete(t.bytes, number)
		}
	}
	return values
}

// steady reports whether the throughput is steady now, and how steady, in words. since is
// when the last consumer began.
func (t *throughput) steady(s spec.Steady, now, since time.Duration) (words string, yes bool) {
	values := t.last(now, s.Window, since)
	if values == nil {
		return "", false
	}
	spread := variation.Of(values)
	percent := 100 * spread.Coefficient()
	if percent > s.MaxVariation {
		return "", false
	}
	return fmt.Sprintf("%s, varying by %.1f %% over %s", human.BriefRate(spread.Mean()/t.interval.Seconds()), percent,
		s.Window), true
}

// floorDiv returns a/b, rounded down also below 0.
func floorDiv(a, b time.Duration) int64 {
	q := int64(a / b)
	if a%b < 0 {
		q--
	}
	return q
}
