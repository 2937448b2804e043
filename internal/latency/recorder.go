package latency

import (
	"math/bits"
	"time"
)

// Bounds of what a Recorder keeps; values beyond are recorded as the bound.
const (
	MinRecorded = time.Nanosecond
	MaxRecorded = time.Hour
)

// Recorder collects durations between two calls of Take, in HdrHistogram's buckets. Its
// size is fixed (about 270 KiB, of which memory is used where something is recorded) and
// recording neither allocates nor locks. Taking costs in proportion to the range that was
// recorded: a load that writes takes every second, so it must not cost what HdrHistogram's
// own walk through all buckets does. It is not safe for concurrent use.
type Recorder struct {
	counts    []uint64 // by number of the bucket
	low, high int      // of those in use, the first and the last
	count     uint64
	min, max  time.Duration
	sum       uint64
}

// NewRecorder returns an empty Recorder.
func NewRecorder() *Recorder {
	return &Recorder{counts: make([]uint64, numberOf(uint64(MaxRecorded))+1)}
}

// Record adds one duration, clamped to MinRecorded … MaxRecorded.
func (r *Recorder) Record(d time.Duration) { r.RecordN(d, 1) }

// RecordN adds a duration n times.
func (r *Recorder) RecordN(d time.Duration, n uint64) {
	if n == 0 {
		return
	}
	d = min(max(d, MinRecorded), MaxRecorded)
	bucket := numberOf(uint64(d))
	if r.count == 0 {
		r.low, r.high, r.min, r.max = bucket, bucket, d, d
	}
	r.low, r.high = min(r.low, bucket), max(r.high, bucket)
	r.min, r.max = min(r.min, d), max(r.max, d)
	r.counts[bucket] = addSaturated(r.counts[bucket], n)
	r.count = addSaturated(r.count, n)
	r.sum = addSaturated(r.sum, mulSaturated(uint64(d), n))
}

// Take returns what was recorded since the last Take and empties the Recorder.
// The result is never nil and shares nothing with the Recorder.
func (r *Recorder) Take() *Histogram {
	h := new(Histogram)
	if r.count == 0 {
		return h
	}
	for i, count := range r.counts[r.low : r.high+1] {
		if count > 0 {
			h.addBucket(lowestOf(r.low+i), count)
		}
	}
	h.widen(uint64(r.min), uint64(r.max))
	h.sum = r.sum
	clear(r.counts[r.low : r.high+1])
	r.count, r.sum = 0, 0 // the first record sets the rest anew
	return h
}

// numberOf is the number of the bucket that v falls into, counted from 0 without a gap.
func numberOf(v uint64) int {
	shift := max(bits.Len64(v), exactBits) - exactBits
	return shift<<(exactBits-1) + int(v>>shift)
}

// lowestOf is the lowest value of the bucket of that number.
func lowestOf(number int) uint64 {
	shift := max(number>>(exactBits-1), 1) - 1
	return uint64(number-shift<<(exactBits-1)) << shift
}
