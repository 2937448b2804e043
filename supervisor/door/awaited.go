package door

import (
	"net/netip"
	"slices"
	"time"
)

// returnsMost bounds the connections of one address that are let in because a session of
// it is away, and have not said Hello. Beyond it the oldest of them that is silent goes.
const returnsMost = 32

// Expect records that a session is away whose last connection came from source: whatever else comes
// from there, its client has a way in.
func (g *Gate) Expect(source netip.Addr, since time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.awaited[source] = append(g.awaited[source], since)
}

// ExpectNot takes one expect of source back.
func (g *Gate) ExpectNot(source netip.Addr, since time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.Index(g.awaited[source], since); i >= 0 {
		g.awaited[source] = slices.Delete(g.awaited[source], i, i+1)
	}
	if len(g.awaited[source]) == 0 {
		delete(g.awaited, source)
	}
}

// Away returns how many sessions are away, and whether one of them is expected from source.
func (g *Gate) Away(source netip.Addr) (n int, here bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, since := range g.awaited {
		n += len(since)
	}
	return n, len(g.awaited[source]) > 0
}

// ComesFirst reports whether the connection may be that of a session that is away, and gets
// what there is of handlers before others do: as many of an address as sessions of it are
// away, and one more; and each in the lane.
func (t *Ticket) ComesFirst() bool {
	if t == nil {
		return false
	}
	g := t.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	switch away := len(g.awaited[t.Source]); {
	case t.lane || t.first:
		return true
	case !t.starting || away == 0 || g.firsts[t.Source] > away:
		return false
	}
	t.first = true
	g.firsts[t.Source]++
	return true
}

// mayReturn reports whether a connection of source is let in although something is against it:
// a session of that address is away, and has been for the first crash delay, so that who
// crashes handlers itself is still slowed, or for as long as who came for nothing, or too often, must
// wait. Many that come with it do not close this way: they cost a socket until they speak, and make
// room for it. mu is held.
func (g *Gate) mayReturn(now time.Time, source netip.Addr) bool {
	since := g.awaited[source]
	if len(since) == 0 {
		return false
	}
	away := now.Sub(slices.MinFunc(since, time.Time.Compare))
	if g.penalty(now, source) > 0 && away < g.cfg.CrashDelay {
		return false
	}
	if (g.idlers.usedUp(now, source) || g.returners.usedUp(now, source)) && away < retryWaste {
		return false
	}
	return g.returns[source] < returnsMost || g.dropSilent(source)
}
