package latency

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Bounds of what a Recorder keeps; values beyond are recorded as the bound.
const (
	MinRecorded = time.Nanosecond
	MaxRecorded = time.Hour
)

// Recorder collects durations between two calls of Take. Its size is fixed
// (about 270 KiB) and recording neither allocates nor locks. It is not safe for
// concurrent use.
type Recorder struct {
	hdr      *hdrhistogram.Histogram
	min, max time.Duration
	sum      uint64
}

// NewRecorder returns an empty Recorder.
func NewRecorder() *Recorder {
	return &Recorder{hdr: hdrhistogram.New(int64(MinRecorded), int64(MaxRecorded), digits)}
}

// Record adds one duration, clamped to MinRecorded … MaxRecorded.
func (r *Recorder) Record(d time.Duration) {
	d = min(max(d, MinRecorded), MaxRecorded)
	if r.hdr.RecordValue(int64(d)) != nil {
		return // d is in range: only a full counter, 2^63 records on, gets here
	}
	if r.hdr.TotalCount() == 1 {
		r.min, r.max = d, d
	}
	r.min, r.max = min(r.min, d), max(r.max, d)
	r.sum = addSaturated(r.sum, uint64(d))
}

// Take returns what was recorded since the last Take and empties the Recorder.
// The result is never nil and shares nothing with the Recorder.
func (r *Recorder) Take() *Histogram {
	h := new(Histogram)
	if r.hdr.TotalCount() == 0 {
		return h
	}
	for _, bar := range r.hdr.Distribution() {
		if bar.Count > 0 {
			h.addBucket(uint64(bar.From), uint64(bar.Count))
		}
	}
	h.widen(uint64(r.min), uint64(r.max))
	h.sum = r.sum
	r.hdr.Reset()
	r.sum = 0 // the first record sets min and max anew
	return h
}
