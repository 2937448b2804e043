package supervisor

import (
	"fmt"
	"strings"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/attendance"
	"bulkhead/supervisor/gather"
	"bulkhead/supervisor/recovery"
)

// Who of those that are expected has come.

// join takes note of a session that is not listed yet. A client that is not there itself –
// its messages are delivered by another process – is counted when that has delivered any.
// r.mu is held, or nobody else has r yet.
func (r *run) join(p *processor) {
	r.cycle.sessionBegan()
	if p.hello.GetResent() {
		return
	}
	r.count(p)
}

// count counts the client of a session, and returns why if it does not count. r.mu is held,
// or nobody else has r yet.
func (r *run) count(p *processor) {
	name := p.hello.GetName()
	standing := r.register.Come(name)
	r.cycle.joined = r.register.Joined()
	if p.hello.GetResent() {
		return // what it continues has been told of
	}
	switch standing {
	case attendance.Again:
		if first := r.namesake(p); first != nil {
			p.note = first.noteOf(p)
		}
	case attendance.Unexpected:
		p.note = "its name is not one of those that are awaited"
	}
	if p.note != "" {
		p.log.Warn("a client does not count among those that are expected", append([]any{"reason", p.note,
			"clients", fmt.Sprintf("%d of %d", r.register.Joined(), r.register.Expected())},
			absentees(r.register.Absent())...)...)
	}
}

// namesake returns the newest session before p whose client has the same name. r.mu is held, or
// nobody else has r yet.
func (r *run) namesake(p *processor) *processor {
	for i := len(r.order) - 1; i >= 0; i-- {
		if o := r.order[i]; o != p && o.hello.GetName() == p.hello.GetName() && !o.hello.GetResent() {
			return o
		}
	}
	return nil
}

// noteOf returns why a client that came later under the name of p's does not count.
func (p *processor) noteOf(later *processor) string {
	where := ""
	if host := p.hello.GetHost(); host != later.hello.GetHost() {
		where = " on another machine (" + host + ")"
	}
	v := p.live.snapshot()
	if v.phase == active {
		return fmt.Sprintf(
			"a name counts once, and session %d%s has the same and is at work; give each machine a name of its own",
			p.number, where)
	}
	return fmt.Sprintf("a name counts once, and this one came before%s, as session %d, which is %s", where, p.number,
		v.phase)
}

// makesRoom reports whether the client of this name may begin a session. With max_clients,
// room is kept for those that are awaited by name. r.mu is held.
func (r *run) makesRoom(name string) bool {
	most := r.cfg.Overload.MaxClients
	if most == 0 {
		return true
	}
	if r.register.Awaited(name) {
		return r.cycle.open < most
	}
	return r.cycle.open+len(r.register.Absent()) < most
}

// shownAbsent is how many absent names a status holds, and wordedAbsent how many a line.
const (
	shownAbsent  = 100
	wordedAbsent = 10
)

// absentees names those who are absent, for the log; nothing if names are not awaited, or
// all have come.
func absentees(absent []string) []any {
	if len(absent) == 0 {
		return nil
	}
	more := ""
	if n := len(absent) - wordedAbsent; n > 0 {
		absent, more = absent[:wordedAbsent], fmt.Sprintf(" and %d more", n)
	}
	return []any{"waiting_for", strings.Join(absent, ", ") + more}
}

// logWaiting logs once that a run with clients, of which none is at work, waits for others. told is
// for how many it was logged last.
func (r *run) logWaiting(told *int) {
	r.mu.Lock()
	cycle, came, absent := r.cycle, len(r.order), r.register.Absent()
	r.mu.Unlock()
	if cycle.open > 0 || came == 0 || came == *told || cycle.joined >= cycle.expected || cycle.draining ||
		cycle.waived {
		return
	}
	*told = came
	r.log.Info("every session has ended; the run waits for the clients that have not come",
		append([]any{"clients", fmt.Sprintf("%d of %d", cycle.joined, cycle.expected)}, absentees(absent)...)...)
}

// absent returns the awaited names that have not come.
func (r *run) absent() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.register.Absent()
}

// patience is how long a run waits for the clients that it expects: to be ready where it gathers, else
// to come. Time in which this process does not run is no part of it.
type patience struct {
	limit     time.Duration // 0 is for ever
	fromFirst bool          // the time begins with the first client
	// over receives that a run that does not gather has waited long enough.
	over chan struct{}

	left  time.Duration // guarded by run.mu; as it begins
	timer *time.Timer   // guarded by run.mu; nil until it has begun
	by    time.Time     // guarded by run.mu; when it is over
}

// remaining returns how much of the time is left; 0 if it has not begun. run.mu is held.
func (w *patience) remaining() time.Duration {
	if w.timer == nil {
		return 0
	}
	return max(time.Until(w.by), 0)
}

// waitsFor sets how long a new run waits. Nobody else has r yet.
func (r *run) waitsFor(plan *bulkheadv1.Gather, clients time.Duration, fromFirst bool) {
	limit := clients
	if plan != nil {
		limit = time.Duration(plan.GetTimeoutNano())
	}
	r.patience = patience{limit: limit, left: limit, fromFirst: fromFirst, over: make(chan struct{}, 1)}
}

// waitsOn continues to wait as the run's journal has it; since is how much of the time passed after
// its newest record. Nobody else has r yet.
func (r *run) waitsOn(past *recovery.Past, since time.Duration) {
	fromFirst := r.cfg.KeepRunning
	if past.Gather != nil {
		fromFirst = past.Gather.GetFromFirst()
	}
	r.waitsFor(past.Gather, past.WaitClients, fromFirst)
	if past.WaitEnded {
		r.cycle.waived, r.patience.limit = true, 0
	}
	began := time.Duration(0)
	if fromFirst {
		if began = past.FirstCame; began == 0 {
			return
		}
	}
	r.patience.left = max(r.patience.limit-(past.Clock.Passed-past.Clock.Down-began)-since, 0)
}

// wait begins the time, once, unless it begins with the first client and there is none. r.mu is held.
func (r *run) wait() {
	w := &r.patience
	if w.limit == 0 || w.timer != nil || w.fromFirst && len(r.order) == 0 {
		return
	}
	w.by = time.Now().Add(w.left)
	w.timer = r.uptime.After(w.left, r.impatient)
}

// waitNoMore stops what wait began.
func (r *run) waitNoMore() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.patience.timer != nil {
		r.patience.timer.Stop()
	}
	for _, w := range r.joint.waits {
		w.timer.Stop()
	}
}

// impatient is called when the time is over.
func (r *run) impatient() {
	r.mu.Lock()
	m := r.gathering.machine
	action := gather.None
	if m != nil {
		action = m.Take(gather.TimeOver, 0, "")
	}
	r.mu.Unlock()
	r.gatherDue(action)
	if m == nil {
		r.patience.over <- struct{}{} // once, and there is room
	}
}

// waited gives up on the clients that have not come.
func (r *run) waited() {
	r.mu.Lock()
	absent := r.register.Expected() - r.register.Joined()
	names := r.register.Absent()
	r.mu.Unlock()
	if absent <= 0 {
		return
	}
	if !r.record(&bulkheadv1.Record{Entry: &bulkheadv1.Record_WaitEnded{WaitEnded: &bulkheadv1.WaitEnded{
		WaitedNano: int64(r.patience.limit), Absent: uint32(absent),
	}}}) {
		return
	}
	r.log.Warn("the run waits no longer for the clients that have not come",
		append([]any{"absent", absent, "waited", r.patience.limit}, absentees(names)...)...)
	r.mu.Lock()
	r.cycle.waived = true
	r.mu.Unlock()
	r.wake()
}
