package door

import (
	"net/netip"
	"time"
)

const (
	// laneMost is how many places are kept, beyond those of Startups, for clients of sessions
	// that are away and come from an address that nobody knows: another network, a new lease
	// of DHCP, a NAT that was started anew.
	laneMost = 32
	// lanePatience is how long a connection may hold such a place without a Hello: two round
	// trips of a slow network.
	lanePatience = 2 * time.Second
)

// A connection in the lane is let in although too many have not said Hello, as long as a
// session is away: it might be of that. Who it is of shows in its Hello alone, so whoever is
// new is sent away then (see run.admit); until then it must speak, hurry, and make room for
// those that come after it, the oldest silent one of the address with most of them first.
// Only that crowd is passed by: an address that is kept out for what it did stays out.

// mayPass reports whether a connection of source gets a place in the lane. mu is held.
func (g *Gate) mayPass(now time.Time, source netip.Addr) bool {
	if len(g.awaited) == 0 || g.barred(now, source) != nil {
		return false
	}
	return g.lane < laneMost || g.makeLaneRoom()
}

// makeLaneRoom ends the oldest silent connection in the lane, of the address that has most
// there, and reports whether it did. mu is held.
func (g *Gate) makeLaneRoom() bool {
	var oldest *Ticket
	most := 0
	for _, list := range g.silent {
		n := 0
		var first *Ticket
		for _, t := range list {
			if t.lane {
				if first == nil {
					first = t
				}
				n++
			}
		}
		if n > most || n == most && n > 0 && first.entered.Before(oldest.entered) {
			oldest, most = first, n
		}
	}
	if oldest == nil {
		return false
	}
	oldest.giveWay()
	return true
}

// Patience returns how long the connection may take until its Hello.
func (t *Ticket) Patience(usual time.Duration) time.Duration {
	if t != nil && t.lane {
		return min(usual, lanePatience)
	}
	return usual
}

// OnlyReturns reports whether the connection was let in for a session that is away, and for no
// other client.
func (t *Ticket) OnlyReturns() bool { return t != nil && t.lane }
