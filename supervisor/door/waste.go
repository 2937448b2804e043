package door

import (
	"net/netip"
	"time"

	"golang.org/x/time/rate"
)

const (
	// wasteBurst and wastePerSecond bound the handlers that connections of one address may
	// use up without becoming a session's. Each costs a process, so who sends nonsense to
	// the port could keep the processors busy with starting them, and the sessions waiting.
	// What is far from a flood, such as a health check, may go on.
	wasteBurst     = 32
	wastePerSecond = 2
	// retryWaste is when a client should come again whose address wastes handlers.
	retryWaste = 2 * time.Second
	// maxWasters bounds the addresses that are remembered for it.
	maxWasters = 4096
)

// wasters are the addresses whose connections have lately used up handlers for nothing.
type wasters map[netip.Addr]*rate.Limiter

// wasted notes a handler.
func (w wasters) wasted(now time.Time, source netip.Addr) {
	if w[source] == nil {
		if len(w) >= maxWasters {
			w.forget(now)
		}
		w[source] = rate.NewLimiter(wastePerSecond, wasteBurst)
	}
	w[source].AllowN(now, 1)
}

// tooMuch reports whether an address gets no handler for now.
func (w wasters) tooMuch(now time.Time, source netip.Addr) bool {
	l := w[source]
	return l != nil && l.TokensAt(now) < 1
}

// forget makes room: of who has wasted nothing lately, or else of anybody. It makes more
// than is asked for, so that with a new address each time not every one goes through all.
func (w wasters) forget(now time.Time) {
	for source, l := range w {
		if l.TokensAt(now) >= wasteBurst {
			delete(w, source)
		}
	}
	for source := range w {
		if len(w) <= maxWasters-maxWasters/8 {
			return
		}
		delete(w, source)
	}
}

// Wasted says that the connection used up a handler and became no session's.
func (t *Ticket) Wasted(now time.Time) {
	if t == nil || t.gate.cfg.CrashDelay == 0 { // addresses are not kept out for what their connections did
		return
	}
	t.gate.mu.Lock()
	defer t.gate.mu.Unlock()
	t.gate.wasters.wasted(now, t.Source)
}
