package watch

import (
	"sync"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// quietLeast is the least time without a message that is noticed.
const quietLeast = 12 * time.Second

// quietBeats is how many rounds of heartbeats a client must leave out for that.
const quietBeats = 4

// Quiet notices a client that says nothing though its connection lives: its transport
// answers pings by itself, also when nothing else of it continues. A client that declares
// heartbeats says something once a round at least.
//
// What counts is time in which this process was running, had taken in all that it was
// sent, and had every ping to the handler answered; see Look. All times are
// by boottime.
type Quiet struct {
	// Limit is the time without a message that is noticed; 0 for a client that has declared no heartbeats
	Limit time.Duration
	lasts time.Duration // for how long from its first chunk on messages are expected; 0 is without end

	mu     sync.Mutex
	over   bool          // guarded by mu; no more are expected
	until  int64         // guarded by mu; when that begins; 0 is not known
	said   int64         // guarded by mu; when the newest came, or the connection was attached
	looked int64         // guarded by mu
	silent time.Duration // guarded by mu; since said, in time that counts
	told   bool          // guarded by mu; it was noticed, and is not over
}

// NewQuiet returns a Quiet for the client of a Hello, whose Workload declares its heartbeats. grace
// is how long it may take to end when its runtime is over. Who delivers what another process left
// has none.
func NewQuiet(h *bulkheadv1.Hello, grace time.Duration) *Quiet {
	q, w := &Quiet{}, h.GetWorkload()
	if h.GetResent() {
		return q
	}
	if every := time.Duration(w.GetHeartbeatIntervalNano()); every > 0 && every < maxBeat {
		q.Limit = max(quietBeats*every, quietLeast)
	}
	if runtime := time.Duration(w.GetRuntimeNano()); runtime > 0 && runtime < maxLoad {
		q.lasts = min(max(time.Duration(w.GetRampNano()), 0), maxLoad) +
			min(max(time.Duration(w.GetWarmupNano()), 0), maxLoad) + runtime + grace
	}
	return q
}

// What a client may declare without sums that overflow; more is as good as for ever.
const (
	maxBeat = 10 * 365 * 24 * time.Hour
	maxLoad = maxBeat
)

// Attached begins anew on another connection.
func (q *Quiet) Attached(now int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.said, q.looked, q.silent = now, now, 0
}

// Wrote records that the client has begun to write.
func (q *Quiet) Wrote(at int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.until == 0 && q.lasts > 0 {
		q.until = at + int64(q.lasts)
	}
}

// Finish records that no more messages are expected: the client has stopped, or was asked to.
func (q *Quiet) Finish() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.over = true
}

// Look takes a look, LookEvery after the one before. counts reports whether the time since then
// does, and heard is when the client's transport was heard last. It returns true when the
// client has been silent for so long that this is to be told: see Begin.
func (q *Quiet) Look(now int64, counts bool, heard int64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	passed := q.passed(now)
	q.looked = now
	if counts {
		q.silent += passed
	}
	return q.due(now, heard)
}

// passed returns how much of the time since the last look can count. q.mu is held.
func (q *Quiet) passed(now int64) time.Duration {
	return time.Duration(max(min(now-q.looked, now-q.said, int64(2*LookEvery)), 0))
}

// due reports whether there is a silence to be told. A transport that was not heard well into it
// is none that lives: what is wrong then, the end of the connection says. q.mu is held.
func (q *Quiet) due(now, heard int64) bool {
	switch {
	case q.Limit == 0 || q.told || q.over || q.until != 0 && now >= q.until:
		return false
	default:
		return q.silent >= q.Limit && time.Duration(heard-q.said) >= q.Limit/2
	}
}

// Begin returns for how long the client has been silent, if that is still to be told. From
// then on End has something to return.
func (q *Quiet) Begin(now, heard int64) (silent time.Duration, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.due(now, heard) {
		return 0, false
	}
	q.told = true
	return q.silent, true
}

// End ends the silence with a message or the connection, and returns how long it was if it
// was told.
func (q *Quiet) End(now int64) (silent time.Duration, told bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	silent, told = q.silent+q.passed(now), q.told
	q.said, q.looked, q.silent, q.told = now, now, 0, false
	return silent, told
}

// Shown returns how long the client has been silent, if that was told; else 0.
func (q *Quiet) Shown(now int64) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.told {
		return 0
	}
	return q.silent + q.passed(now)
}

// Restore continues a silence that a supervisor before this one has told of.
func (q *Quiet) Restore(silent time.Duration, now int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.said, q.looked, q.silent, q.told = now-int64(silent), now, silent, true
}
