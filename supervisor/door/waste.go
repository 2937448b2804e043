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
	// What is far from a flood, such as a health check, may continue.
	wasteBurst     = 32
	wastePerSecond = 2
	// retryWaste is when a client should come again whose address wastes handlers.
	retryWaste = 2 * time.Second
	// maxWasters bounds the addresses that are remembered for it.
	maxWasters = 4096
	// idleBurst and idlePerSecond bound the connections of one address that joined a session and
	// brought it nothing, or that were sent away after their Hello. Clients of many sessions may
	// lose their connections at the same time, and twice before they say something.
	idleBurst     = 256
	idlePerSecond = 4
)

// wasters are the addresses whose connections have lately used up handlers for nothing: so many may
// do that at once, and so many a second.
type wasters struct {
	perSecond rate.Limit
	burst     int
	sources   map[netip.Addr]*rate.Limiter // at most maxWasters
}

func newWasters(perSecond rate.Limit, burst int) wasters {
	return wasters{perSecond, burst, make(map[netip.Addr]*rate.Limiter)}
}

// wasted notes a handler.
func (w wasters) wasted(now time.Time, source netip.Addr) {
	if w.sources[source] == nil {
		if len(w.sources) >= maxWasters {
			w.forget(now)
		}
		w.sources[source] = rate.NewLimiter(w.perSecond, w.burst)
	}
	w.sources[source].AllowN(now, 1)
}

// tooMuch reports whether an address gets no handler for now.
func (w wasters) tooMuch(now time.Time, source netip.Addr) bool {
	l := w.sources[source]
	return l != nil && l.TokensAt(now) < 1
}

// forget makes room: of who has wasted nothing lately, or else of anybody. It makes more
// than is asked for, so that with a new address each time not every one goes through all.
func (w wasters) forget(now time.Time) {
	for source, l := range w.sources {
		if l.TokensAt(now) >= float64(w.burst) {
			delete(w.sources, source)
		}
	}
	for source := range w.sources {
		if len(w.sources) <= maxWasters-maxWasters/8 {
			return
		}
		delete(w.sources, source)
	}
}

// Wasted records that the connection used up a handler and became no session's.
func (t *Ticket) Wasted(now time.Time) {
	if t == nil || t.gate.cfg.CrashDelay == 0 { // addresses are not kept out for what their connections did
		return
	}
	t.gate.mu.Lock()
	defer t.gate.mu.Unlock()
	t.gate.wasters.wasted(now, t.Source)
}

// Idled records that the connection joined a session and brought it nothing, or was sent away after
// its Hello.
func (t *Ticket) Idled(now time.Time) {
	if t == nil || t.gate.cfg.CrashDelay == 0 {
		return
	}
	t.gate.mu.Lock()
	defer t.gate.mu.Unlock()
	t.gate.idlers.wasted(now, t.Source)
}
