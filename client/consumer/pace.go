package consumer

import (
	"math"
	"slices"
	"sync"
	"time"

	"bulkhead/internal/workload"
)

// pace is the schedule of a consumer that has a rate: when each chunk is due, for all
// of its writers together. The schedule does not wait for storage. After a stall the
// chunks that should have been written meanwhile follow as fast as storage takes
// them, and their response time, counted from when they were due, has the stall in
// it: a load that slowed down with its storage would leave out the very waiting it is
// to measure (G. Tene's "coordinated omission"). So the rate holds on average over the
// time since the load began, and a burst after a stall may exceed it.
type pace struct {
	perByte  float64 // nanoseconds
	perChunk float64 // nanoseconds
	mean     float64 // size of a chunk, in bytes
	writers  float64

	mu sync.Mutex
	// changes are to other rates, which hold for what is due from then on, in order; guarded by mu, as are
	// perByte and perChunk.
	changes []change
	number  uint32  // of the newest change; guarded by mu
	next    float64 // nanoseconds until the next chunk is due, from the start of the load; guarded by mu
	// booked is when the chunk is due that each writer has booked and not written; negative for none.
	// Guarded by mu.
	booked []time.Duration
	ended  bool // what is written now is no longer timed; guarded by mu
}

// change is another rate from a moment on.
type change struct {
	at                float64 // in nanoseconds from the start of the load
	perByte, perChunk float64
}

// mostChanges is how many changes wait in a schedule that is behind; the newest takes the place of one more.
const mostChanges = 1024

// newPace returns nil for a consumer without a rate.
func newPace(c workload.Consumer) *pace {
	p := &pace{mean: c.MeanChunk(), writers: float64(c.Writers())}
	if c.RateBytes > 0 {
		p.perByte = float64(time.Second) / float64(c.RateBytes)
	}
	if c.RateChunks > 0 {
		p.perChunk = float64(time.Second) / c.RateChunks
	}
	if p.perByte == 0 && p.perChunk == 0 {
		return nil
	}
	for range c.Writers() {
		p.booked = append(p.booked, -1)
	}
	return p
}

// newReadPace returns the schedule of a consumer's readers, all together; nil without a rate.
func newReadPace(t *task) *pace {
	bytes, operations := t.read.GetRateBytesPerSecond(), t.read.GetRateOperationsPerSecond()
	if t.read.GetReaders() == 0 || bytes == 0 && operations == 0 {
		return nil
	}
	p := &pace{mean: float64(t.readSize), writers: float64(t.read.GetReaders())}
	if bytes > 0 {
		p.perByte = float64(time.Second) / float64(bytes)
	}
	if operations > 0 {
		p.perChunk = float64(time.Second) / operations
	}
	return p
}

// change sets other rates, from now on, as the change of that number; of a lower number than the newest it
// is old. What was due before keeps the rate that was in force, so a change makes no burst, and takes
// nothing from what the schedule is behind.
func (p *pace) change(number uint32, bytes uint64, chunks float64, now time.Duration) {
	next := change{at: float64(now)}
	if bytes > 0 {
		next.perByte = float64(time.Second) / float64(bytes)
	}
	if chunks > 0 {
		next.perChunk = float64(time.Second) / chunks
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if number <= p.number || next.perByte == 0 && next.perChunk == 0 {
		return
	}
	p.number = number
	if n := len(p.changes); n == mostChanges {
		next.at = p.changes[n-1].at
		p.changes = p.changes[:n-1]
	}
	p.changes = append(p.changes, next)
	p.catchUp(0)
}

// cost returns how long the schedule takes for a chunk. p.mu is held.
func (p *pace) cost(size float64) float64 { return max(p.perByte*size, p.perChunk) }

// catchUp puts the changes into force at which the schedule has come, where a chunk of that size, 0 for
// the mean, is the last one in it: what is left of its time then passes at the new rate. p.mu is held.
func (p *pace) catchUp(size float64) {
	if size == 0 {
		size = p.mean
	}
	for len(p.changes) > 0 && p.next >= p.changes[0].at {
		to, before := p.changes[0], p.cost(size)
		p.perByte, p.perChunk = to.perByte, to.perChunk
		p.next = to.at + (p.next-to.at)*p.cost(size)/before
		p.changes = p.changes[1:]
	}
}

// begin lets the schedule begin now instead of with the load.
func (p *pace) begin(now time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next = max(p.next, float64(now))
	p.catchUp(0)
}

// book takes the next place in the schedule for a chunk of that size, and returns when
// it is due, from the start of the load. Neither of the two rates is exceeded.
func (p *pace) book(size int) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	due := p.next
	p.next += p.cost(float64(size))
	p.catchUp(float64(size))
	if due >= math.MaxInt64 {
		return math.MaxInt64
	}
	return time.Duration(due)
}

// bookFor books for writer i, which then calls wrote, or drop if it does not write the chunk.
func (p *pace) bookFor(i, size int) time.Duration {
	due := p.book(size)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.booked[i] = due
	return due
}

// wrote notes that writer i wrote what it had booked. It returns whether the time of that counts:
// not when it was told already how long the chunk had waited when the stage ended.
func (p *pace) wrote(i int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.booked[i] = -1
	return !p.ended
}

// drop notes that writer i does not write what it had booked, or could not.
func (p *pace) drop(i int) { p.wrote(i) }

// end ends the timing, once: it calls tell with the chunks that were due before end and are not
// written, be they booked or, with all, not even that.
func (p *pace) end(end, now time.Duration, all bool, tell func(waited time.Duration, n uint64)) {
	p.mu.Lock()
	again := p.ended
	p.ended = true
	booked := slices.Clone(p.booked)
	p.mu.Unlock()
	if again {
		return
	}
	for _, due := range booked {
		if due >= 0 && due < end {
			tell(now-due, 1)
		}
	}
	if all {
		p.overdue(end, now, tell)
	}
}

// forgive takes from what the schedule is behind the time for which a writer did not try,
// because writing failed, which was told. That is its part of the time of all writers. What
// the others are behind, and what the failure itself took, they stay behind.
func (p *pace) forgive(pause, now time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next = max(p.next, min(p.next+float64(pause)/p.writers, float64(now)))
	p.catchUp(0)
}

// overdueSteps is into how many parts the time is divided in which chunks were due and not
// written.
const overdueSteps = 1000

// overdue calls tell with the chunks that were due before end and that nobody wrote, and how long
// they have waited by now: the storage was stuck when the load ended, or slower than the rate. They
// would be left out otherwise, as those behind a stall in mid-run are not.
func (p *pace) overdue(end, now time.Duration, tell func(waited time.Duration, n uint64)) {
	p.mu.Lock()
	next, parts := p.next, append([]change{{perByte: p.perByte, perChunk: p.perChunk}}, p.changes...)
	p.mu.Unlock()
	for i, part := range parts {
		until := float64(end)
		if i+1 < len(parts) {
			until = min(until, parts[i+1].at)
		}
		overdueBetween(next, until, max(part.perByte*p.mean, part.perChunk), now, tell)
		next = max(next, until)
	}
}

// overdueBetween does what overdue does for chunks that were due from next on and before end, one each cost.
func overdueBetween(next, end, cost float64, now time.Duration, tell func(waited time.Duration, n uint64)) {
	behind := end - next
	if behind <= 0 {
		return
	}
	total := uint64(math.Ceil(behind / cost)) // at most 1e9 a second
	steps := min(total, overdueSteps)
	for i := range steps {
		due := next + behind*float64(i)/float64(steps)
		n := total / steps
		if i < total%steps {
			n++
		}
		tell(now-time.Duration(due), n)
	}
}
