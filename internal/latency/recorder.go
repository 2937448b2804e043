package latency

import (
	"time"

	"bulkhead/internal/saturated"
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
	return &Recorder{counts: make([]uint64, exact.Bucket(uint64(MaxRecorded))+1)}
}

// Record adds one duration, clamped to MinRecorded … MaxRecorded.
func (r *Recorder) Record(d time.Duration) { r.RecordN(d, 1) }

// RecordN adds a duration n times.
func (r *Recorder) RecordN(d time.Duration, n uint64) {
	if n == 0 {
		return
	}
	d = min(max(d, MinRecorded), MaxRecorded)
	bucket := exact.Bucket(uint64(d))
	if r.count == 0 {
		r.low, r.high, r.min, r.max = bucket, bucket, d, d
	}
	r.low, r.high = min(r.low, bucket), max(r.high, bucket)
	r.min, r.max = min(r.min, d), max(r.max, d)
	r.counts[bucket] = saturated.Add(r.counts[bucket], n)
	r.count = saturated.Add(r.count, n)
	r.sum = saturated.Add(r.sum, saturated.Mul(uint64(d), n))
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
			low, _ := exact.Range(r.low + i)
			h.addBucket(low, count)
		}
	}
	h.widen(uint64(r.min), uint64(r.max))
	h.sum = r.sum
	clear(r.counts[r.low : r.high+1])
	r.count, r.sum = 0, 0 // the first record sets the rest anew
	return h
}
