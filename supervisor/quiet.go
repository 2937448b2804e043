package supervisor

import (
	"sync"
	"time"

	"bulkhead/internal/boottime"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/watch"
)

// quietLeast is the least time without a message that is noticed.
const quietLeast = 12 * time.Second

// quietBeats is how many rounds of heartbeats a client must leave out for that.
const quietBeats = 4

// quiet notices a client that says nothing though its connection lives: its transport
// answers pings by itself, also when nothing else of it goes on. A client that declares
// heartbeats says something once a round at least.
//
// What counts is time in which this process was running, had taken in all that it was
// sent, and had every ping to the handler answered; see processor.listens. All times are
// by boottime.
type quiet struct {
	limit time.Duration // 0 for a client that has declared no heartbeats
	lasts time.Duration // for how long from its first chunk on messages are expected; 0 is without end

	mu     sync.Mutex
	over   bool          // guarded by mu; no more are expected
	until  int64         // guarded by mu; when that begins; 0 is not known
	said   int64         // guarded by mu; when the newest came, or the connection was taken up
	looked int64         // guarded by mu
	silent time.Duration // guarded by mu; since said, in time that counts
	told   bool          // guarded by mu; it was noticed, and is not over
}

// newQuiet is for the client of a Hello, whose Workload declares its heartbeats. grace is how
// long it may take to end when its runtime is over. Who delivers what another process left
// has none.
func newQuiet(h *bulkheadv1.Hello, grace time.Duration) *quiet {
	q, w := &quiet{}, h.GetWorkload()
	if h.GetResent() {
		return q
	}
	if every := time.Duration(w.GetHeartbeatIntervalNano()); every > 0 && every < maxBeat {
		q.limit = max(quietBeats*every, quietLeast)
	}
	if runtime := time.Duration(w.GetRuntimeNano()); runtime > 0 && runtime < maxLoad {
		q.lasts = min(max(time.Duration(w.GetRampNano()), 0), maxLoad) + runtime + grace
	}
	return q
}

// What a client may declare without sums that overflow; more is as good as for ever.
const (
	maxBeat = 10 * 365 * 24 * time.Hour
	maxLoad = maxBeat
)

// attached begins anew on another connection.
func (q *quiet) attached(now int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.said, q.looked, q.silent = now, now, 0
}

// wrote says that the client has begun to write.
func (q *quiet) wrote(at int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.until == 0 && q.lasts > 0 {
		q.until = at + int64(q.lasts)
	}
}

// finish says that no more messages are expected: the client has stopped, or was asked to.
func (q *quiet) finish() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.over = true
}

// look takes a look, watch.LookEvery after the one before. counts says whether the time since then
// does, and heard is when the client's transport was heard last. It returns true when the
// client has been silent for so long that this is to be told: see begin.
func (q *quiet) look(now int64, counts bool, heard int64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	passed := q.passed(now)
	q.looked = now
	if counts {
		q.silent += passed
	}
	return q.due(now, heard)
}

// passed is how much of the time since the last look can count. q.mu is held.
func (q *quiet) passed(now int64) time.Duration {
	return time.Duration(max(min(now-q.looked, now-q.said, int64(2*watch.LookEvery)), 0))
}

// due reports whether there is a silence to be told. A transport that was not heard well into it
// is none that lives: what is wrong then, the end of the connection says. q.mu is held.
func (q *quiet) due(now, heard int64) bool {
	switch {
	case q.limit == 0 || q.told || q.over || q.until != 0 && now >= q.until:
		return false
	default:
		return q.silent >= q.limit && time.Duration(heard-q.said) >= q.limit/2
	}
}

// begin returns for how long the client has been silent, if that is still to be told. From
// then on end has something to return.
func (q *quiet) begin(now, heard int64) (silent time.Duration, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.due(now, heard) {
		return 0, false
	}
	q.told = true
	return q.silent, true
}

// end ends the silence with a message or the connection, and returns how long it was if it
// was told.
func (q *quiet) end(now int64) (silent time.Duration, told bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	silent, told = q.silent+q.passed(now), q.told
	q.said, q.looked, q.silent, q.told = now, now, 0, false
	return silent, told
}

// shown is how long the client has been silent, if that was told; else 0.
func (q *quiet) shown(now int64) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.told {
		return 0
	}
	return q.silent + q.passed(now)
}

// recover sets what is known of a client from a journal; ago says how long a moment of the
// past is over.
func (q *quiet) recover(was *recovered, now int64, ago func(time.Duration) time.Duration) {
	if was.total.Stopped {
		q.finish()
	}
	if was.wrote > 0 {
		q.wrote(now - int64(ago(was.wrote)))
	}
	q.attached(now)
}

// restore goes on with a silence that a supervisor before this one has told of.
func (q *quiet) restore(silent time.Duration, now int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.said, q.looked, q.silent, q.told = now-int64(silent), now, silent, true
}

// listen takes the look of a second at whether the client says anything.
func (p *processor) listen() {
	l := p.serving.Load()
	now := boottime.Now()
	if l == nil {
		p.quiet.look(now, false, 0)
		return
	}
	if p.quiet.look(now, p.listens(l), l.heard.Load()) {
		select {
		case p.inbox <- note{kind: noteSilent, link: l}:
		default: // there is something to be taken in
		}
	}
}

// listens reports whether all that the client has sent is taken in, as far as it has arrived:
// otherwise it is not the client who is silent.
func (p *processor) listens(l *link) bool {
	dog := l.dog.Load()
	return dog != nil && dog.Attentive() && len(p.inbox) == 0 && !p.busy.Load()
}

// fellSilent tells of a client that says nothing. Its session goes on.
func (p *processor) fellSilent(l *link) {
	if l != p.link || p.phase != active {
		return
	}
	silent, ok := p.quiet.begin(boottime.Now(), l.heard.Load())
	if !ok {
		return
	}
	p.log.Warn("client says nothing, though its connection lives", "silent_for", roughly(silent), "limit", p.quiet.limit)
	p.owe(silentRecord(p.number, silent, true))
}

// spoke ends a silence that was told of, because the client said something or was let go of.
func (p *processor) spoke(now int64, again bool) []*bulkheadv1.Record {
	silent, told := p.quiet.end(now)
	if !told {
		return nil
	}
	if again {
		p.log.Info("client says something again", "silent_for", roughly(silent))
	}
	return []*bulkheadv1.Record{silentRecord(p.number, silent, false)}
}

func silentRecord(session uint32, silent time.Duration, ongoing bool) *bulkheadv1.Record {
	return &bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionSilent{SessionSilent: &bulkheadv1.SessionSilent{
		Session: session, SilentNano: int64(silent), Ongoing: ongoing,
	}}}
}
