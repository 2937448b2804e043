package door

import (
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Every connection costs a process, also that of a client that has a session, brings something each
// time, and ends the connection again. So sessions have an allowance for coming back. A network that
// breaks every few seconds stays below it for ever, and one that breaks more often for a while stays
// within the burst.
var (
	// sessionReturns is what one session may do.
	sessionReturns = rule{perSecond: 0.5, burst: 32}
	// crowdReturns is what the sessions of one address, or of one identity, may do together: 128
	// clients behind a network that breaks every two seconds, and a thousand twice at once.
	crowdReturns = rule{perSecond: 64, burst: 2048}
)

// rule is how often something may be done: so often at once, and so often a second after that.
type rule struct{ perSecond, burst float64 }

// Allowance is how much of what a rule allows is used up. The zero value has nothing used up. It
// remembers no more than one moment, so a clock that stands still or steps back gives nothing.
type Allowance struct {
	spent float64
	at    time.Time
}

// left returns how often it may still be done at once.
func (a *Allowance) left(now time.Time, r rule) float64 {
	if since := now.Sub(a.at); since > 0 {
		a.spent = max(a.spent-since.Seconds()*r.perSecond, 0)
		a.at = now
	}
	return r.burst - a.spent
}

// take does it once, or returns when it may be done.
func (a *Allowance) take(now time.Time, r rule) (wait time.Duration) {
	if left := a.left(now, r); left < 1 {
		return max(time.Duration((1-left)/r.perSecond*float64(time.Second)), 1) // 0 says that it is done
	}
	a.spent++
	return 0
}

// giveBack undoes one take.
func (a *Allowance) giveBack(now time.Time, r rule) {
	a.left(now, r)
	a.spent = max(a.spent-1, 0)
}

// maxRemembered bounds the addresses, or identities, whose allowances are remembered.
const maxRemembered = 4096

// allowances are those of many: of addresses, or of identities.
type allowances[K comparable] struct {
	rule
	of map[K]*Allowance // at most maxRemembered
}

func newAllowances[K comparable](r rule) allowances[K] {
	return allowances[K]{r, make(map[K]*Allowance)}
}

// take does it once for one of them, or returns when that may do it.
func (s allowances[K]) take(now time.Time, who K) (wait time.Duration) {
	a := s.of[who]
	if a == nil {
		if len(s.of) >= maxRemembered {
			s.forget(now)
		}
		a = &Allowance{}
		s.of[who] = a
	}
	return a.take(now, s.rule)
}

func (s allowances[K]) giveBack(now time.Time, who K) {
	if a := s.of[who]; a != nil {
		a.giveBack(now, s.rule)
	}
}

// usedUp reports whether one of them may not do it now.
func (s allowances[K]) usedUp(now time.Time, who K) bool {
	a := s.of[who]
	return a != nil && a.left(now, s.rule) < 1
}

// forget makes room: of who has used up nothing, or else of anybody. It makes more than is asked
// for, so that with a new one each time not every one goes through all.
func (s allowances[K]) forget(now time.Time) {
	for who, a := range s.of {
		if a.left(now, s.rule) >= s.burst {
			delete(s.of, who)
		}
	}
	for who := range s.of {
		if len(s.of) <= maxRemembered-maxRemembered/8 {
			return
		}
		delete(s.of, who)
	}
}

// proven is who somebody has proven to be.
type proven struct {
	kind bulkheadv1.IdentityKind
	name string
}

// provenBy returns who somebody has proven to be, and whether they have.
func provenBy(who *bulkheadv1.Identity) (is proven, ok bool) {
	return proven{who.GetKind(), who.GetName()}, who.GetName() != ""
}

// Returned records that the connection is one more of a session, whose allowance is own; who has
// it, nil if nobody has proven to. It returns why the session may not go on with it yet; nil if it
// may. own is the gate's to read and write.
func (t *Ticket) Returned(now time.Time, own *Allowance, who *bulkheadv1.Identity) *Refusal {
	if t == nil || t.gate.cfg.CrashDelay == 0 {
		return nil
	}
	g := t.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	if wait := own.take(now, sessionReturns); wait > 0 {
		return &Refusal{"this client comes back too often", roundUp(wait)}
	}
	if is, ok := provenBy(who); ok {
		if wait := g.identities.take(now, is); wait > 0 {
			own.giveBack(now, sessionReturns)
			return &Refusal{"the clients of this identity come back too often", roundUp(wait)}
		}
	}
	g.returners.take(now, t.Source) // the next one is refused at the door
	return nil
}

// Excused takes a Returned back, of a connection that ended by no doing of its client. That is known
// when it has ended; so the client may have come back before.
func (t *Ticket) Excused(now time.Time, own *Allowance, who *bulkheadv1.Identity) {
	if t == nil {
		return
	}
	g := t.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	own.giveBack(now, sessionReturns)
	if is, ok := provenBy(who); ok {
		g.identities.giveBack(now, is)
	}
	g.returners.giveBack(now, t.Source)
}
