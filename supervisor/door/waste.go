package door

import (
	"net/netip"
	"time"
)

var (
	// wasted bounds the handlers that connections of one address may use up without becoming a
	// session's. Each costs a process, so who sends nonsense to the port could keep the processors
	// busy with starting them, and the sessions waiting. What is far from a flood, such as a health
	// check, may continue.
	wasted = rule{perSecond: 2, burst: 32}
	// idle bounds the connections of one address that joined a session and brought it nothing, or
	// that were sent away after their Hello. Clients of many sessions may lose their connections at
	// the same time, and twice before they say something.
	idle = rule{perSecond: 4, burst: 256}
)

// retryWaste is when a client should come again whose address uses up handlers.
const retryWaste = 2 * time.Second

// tooMuch returns why an address gets no handler for now; "" if it does. mu is held.
func (g *Gate) tooMuch(now time.Time, source netip.Addr) (why string) {
	switch {
	case g.wasters.usedUp(now, source):
		return "connections from this address used up handlers for nothing"
	case g.idlers.usedUp(now, source):
		return "connections from this address came again and again, and brought nothing"
	case g.returners.usedUp(now, source):
		return "the clients of this address come back too often"
	default:
		return ""
	}
}

// Wasted records that the connection used up a handler and became no session's.
func (t *Ticket) Wasted(now time.Time) {
	t.note(now, func(g *Gate) allowances[netip.Addr] { return g.wasters })
}

// Idled records that the connection joined a session and brought it nothing, or was sent away after
// its Hello.
func (t *Ticket) Idled(now time.Time) {
	t.note(now, func(g *Gate) allowances[netip.Addr] { return g.idlers })
}

// note counts one for the connection's address, unless addresses are not kept out for what their
// connections did.
func (t *Ticket) note(now time.Time, in func(*Gate) allowances[netip.Addr]) {
	if t == nil || t.gate.cfg.CrashDelay == 0 {
		return
	}
	t.gate.mu.Lock()
	defer t.gate.mu.Unlock()
	in(t.gate).take(now, t.Source)
}
