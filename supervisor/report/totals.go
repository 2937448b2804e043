package report

import (
	"math"
	"math/bits"
)

// Add adds what another client or session wrote.
func (w *Writes) Add(o *Writes) {
	w.Bytes = Plus(w.Bytes, o.Bytes)
	w.Chunks = Plus(w.Chunks, o.Chunks)
	w.Errors = Plus(w.Errors, o.Errors)
	if o.LastError != "" {
		w.LastError = o.LastError
	}
	w.Files += o.Files
	w.PartialFiles += o.PartialFiles
	w.UnverifiedFiles += o.UnverifiedFiles
	w.RecycledFiles += o.RecycledFiles
	w.VerifiedBytes = Plus(w.VerifiedBytes, o.VerifiedBytes)
	w.VerifiedCachedBytes = Plus(w.VerifiedCachedBytes, o.VerifiedCachedBytes)
	w.CorruptBlocks = Plus(w.CorruptBlocks, o.CorruptBlocks)
	w.AddReads(o.Reads)
	w.AddWarmUp(o.WarmUp)
}

// AddWarmUp adds what others did in their warm-up; nil is nothing.
func (w *Writes) AddWarmUp(o *WarmUp) {
	if o == nil {
		return
	}
	if w.WarmUp == nil {
		w.WarmUp = new(WarmUp)
	}
	w.WarmUp.Bytes, w.WarmUp.Chunks = Plus(w.WarmUp.Bytes, o.Bytes), Plus(w.WarmUp.Chunks, o.Chunks)
	w.WarmUp.ReadBytes = Plus(w.WarmUp.ReadBytes, o.ReadBytes)
}

// WithWarmUp returns the bytes and chunks of the whole load.
func (w *Writes) WithWarmUp() (bytes, chunks uint64) {
	if w.WarmUp == nil {
		return w.Bytes, w.Chunks
	}
	return Plus(w.Bytes, w.WarmUp.Bytes), Plus(w.Chunks, w.WarmUp.Chunks)
}

// Add adds the rounds of another process.
func (t *HeartbeatTotals) Add(o *HeartbeatTotals) {
	t.Rounds += o.Rounds
	t.Answered += o.Answered
	t.Late += o.Late
	t.Missed += o.Missed
	t.Stalled += o.Stalled
}

// Plus adds two amounts; the sum stays at the top of its range.
func Plus(a, b uint64) uint64 {
	if a > math.MaxUint64-b {
		return math.MaxUint64
	}
	return a + b
}

// PlusNano adds two durations, which are not negative; the sum stays at the top of its range.
func PlusNano(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// Rates returns the bytes per second of all clients together, in each interval that is
// whole; 0 in those in which a client was still warming up, and before, or in a stage that is not
// reported.
func (r *Report) Rates() []float64 {
	s := r.Series
	list := make([]float64, 0, s.Intervals)
	for i, bytes := range s.Total.Bytes {
		if r.SpanNano(i, s.IntervalNano) < s.IntervalNano {
			break
		}
		if !s.Judged(i) {
			bytes = 0
		}
		list = append(list, float64(bytes)/float64(s.IntervalNano)*1e9)
	}
	return list
}

// SpanNano returns how long interval i of length step is: less than that for the last one alone.
func (r *Report) SpanNano(i int, step int64) int64 {
	length := Between(r.Series.StartAt, r.Series.EndAt)
	if r.Series.EndAt == 0 { // a report made before it was known
		length = r.Run.LengthNano
	}
	return max(min(length-int64(i)*step, step), 0)
}

// PerSecond returns amount over a time in nanoseconds, rounded down; 0 for no time.
func PerSecond(amount uint64, nano int64) uint64 {
	if nano <= 0 {
		return 0
	}
	high, low := bits.Mul64(amount, 1e9)
	if high >= uint64(nano) {
		return 0 // beyond 2^64 a second: no rate at all
	}
	rate, _ := bits.Div64(high, low, uint64(nano))
	return rate
}

// Reads is what readers read of finished files beside the writing, from Progress messages.
type Reads struct {
	Bytes uint64 `json:"bytes"`
	// Operations counts read calls.
	Operations uint64 `json:"operations"`
	// Errors are those of Writes.Errors that readers had.
	Errors uint64 `json:"errors"`
	// BytesPerSecond is Bytes over Writes.WritingNano; 0 if that is 0.
	BytesPerSecond uint64 `json:"bytes_per_second"`
	// VerifiedBytes were compared with what was written.
	VerifiedBytes uint64 `json:"verified_bytes"`
	// ToldBytes are those of which the system told whether the page cache had them, and
	// CachedBytes those of them that it had. 0 told bytes: nothing is known.
	ToldBytes   uint64 `json:"told_bytes"`
	CachedBytes uint64 `json:"cached_bytes"`
	// The following are of readers of other clients' files, and absent without: GoneFiles were removed, or
	// written over, before they were read to the end; WaitedNano is how long all readers together waited for
	// a file; Neighbours is the most other clients that one consumer had files of, and NeighbourHosts the
	// most hosts beside its own that those ran on.
	GoneFiles      uint64 `json:"gone_files,omitempty"`
	WaitedNano     int64  `json:"waited_nano,omitempty"`
	Neighbours     uint32 `json:"neighbours,omitempty"`
	NeighbourHosts uint32 `json:"neighbour_hosts,omitempty"`
	// Latency is of each read call, and Response, for readers with a rate, the time from when
	// each read was due to when it was done; null without.
	Latency  Latency  `json:"latency"`
	Response *Latency `json:"response"`
}

// AddReads adds what others read; nil is nothing.
func (w *Writes) AddReads(o *Reads) {
	if o == nil {
		return
	}
	if w.Reads == nil {
		w.Reads = new(Reads)
	}
	r := w.Reads
	r.Bytes = Plus(r.Bytes, o.Bytes)
	r.Operations = Plus(r.Operations, o.Operations)
	r.Errors = Plus(r.Errors, o.Errors)
	r.VerifiedBytes = Plus(r.VerifiedBytes, o.VerifiedBytes)
	r.ToldBytes = Plus(r.ToldBytes, o.ToldBytes)
	r.CachedBytes = Plus(r.CachedBytes, o.CachedBytes)
	r.GoneFiles = Plus(r.GoneFiles, o.GoneFiles)
	r.WaitedNano = PlusNano(r.WaitedNano, o.WaitedNano)
	r.Neighbours, r.NeighbourHosts = max(r.Neighbours, o.Neighbours), max(r.NeighbourHosts, o.NeighbourHosts)
}
