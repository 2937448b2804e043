package door

import (
	"net/netip"
	"slices"
)

// A silent connection must speak before it is given a handler and has not yet. It is the
// first to go when there are too many: so nobody keeps others out by saying nothing.

// Mute sets how the connection is ended while it waits until its client speaks: drop must not
// block, and is called at once if the connection has made room already. The caller ends the wait
// with Unmuted.
func (t *Ticket) Mute(drop func()) {
	t.gate.mu.Lock()
	defer t.gate.mu.Unlock()
	if t.dropped {
		drop()
		return
	}
	t.drop = drop
}

// Unmuted ends the wait.
func (t *Ticket) Unmuted() {
	t.gate.mu.Lock()
	defer t.gate.mu.Unlock()
	t.unmute()
}

// Crowds reports whether the connection, whose client has spoken, gets no handler because its address
// has its share of those without a Hello: three times as many as there are places left. So one
// address, whatever its connections say, leaves a quarter of the places to the others, the next one
// a quarter of those, and so on.
func (t *Ticket) Crowds() bool {
	g := t.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	if t.lane {
		return false // those are few
	}
	busy := g.starting
	for _, list := range g.silent {
		busy -= startsOf(list)
	}
	own := g.startups[t.Source] - startsOf(g.silent[t.Source])
	return own > max(3*(g.cfg.Startups.Full-busy), 1)
}

// startsOf returns how many silent connections are among those that start.
func startsOf(silent []*Ticket) (n int) {
	for _, t := range silent {
		if !t.lane {
			n++
		}
	}
	return n
}

// unmute takes the connection out of those that are silent. gate.mu is held.
func (t *Ticket) unmute() {
	if !t.silent {
		return
	}
	t.silent, t.drop = false, nil
	silent := t.gate.silent
	if i := slices.Index(silent[t.Source], t); i >= 0 {
		silent[t.Source] = slices.Delete(silent[t.Source], i, i+1)
	}
	if len(silent[t.Source]) == 0 {
		delete(silent, t.Source)
	}
}

// makeRoom ends the oldest silent connection of the address that has the most of them, so
// that one of source can come in, and reports whether it did. Who has as many as the others has
// its own share, and gets no room at their cost: a share for each source, as sshd's
// PerSourceMaxStartups. mu is held.
func (g *Gate) makeRoom(source netip.Addr) bool {
	most := source
	for s, list := range g.silent {
		if len(list) > len(g.silent[most]) {
			most = s
		}
	}
	if len(g.silent[most]) <= len(g.silent[source])+1 {
		most = source
	}
	return g.dropSilent(most)
}

// dropSilent ends the oldest silent connection of source, if it has one. mu is held.
func (g *Gate) dropSilent(source netip.Addr) bool {
	// which is others' room
	list := slices.DeleteFunc(slices.Clone(g.silent[source]), func(t *Ticket) bool { return t.lane })
	if len(list) == 0 {
		return false
	}
	list[0].giveWay()
	return true
}

// giveWay ends a silent connection, whose room is free at once. gate.mu is held.
func (t *Ticket) giveWay() {
	t.dropped = true
	if t.drop != nil {
		t.drop()
	}
	t.started()
}
