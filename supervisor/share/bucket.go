package share

import "time"

// bucket fills with time. Who finds something in it takes all that it needs, and leaves a debt: so
// the bucket need not be as large as the largest batch.
type bucket struct {
	level float64
	at    time.Duration // when it was filled last
}

// fill adds what time has brought at a rate a second; there is never more in it than most.
func (b *bucket) fill(now time.Duration, rate, most float64) {
	b.level = min(most, b.level+rate*(now-b.at).Seconds())
	b.at = now
}

// wait returns how long it takes until something is in it.
func (b *bucket) wait(rate float64) time.Duration {
	if b.level > 0 {
		return 0
	}
	return time.Duration(-b.level/rate*float64(time.Second)) + time.Nanosecond
}
