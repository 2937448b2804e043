package supervisor

import (
	"fmt"
	"strings"

	"bulkhead/supervisor/attendance"
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
	if cycle.open > 0 || came == 0 || came == *told || cycle.joined >= cycle.expected || cycle.draining {
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
