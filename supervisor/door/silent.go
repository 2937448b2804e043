package door

import (
	"net/netip"
	"slices"
)

// A silent connection must speak before it is given a handler and has not yet. It is the
// first to go when there are too many: so nobody keeps others out by saying nothing.

// Mute says how the connection is ended while it waits until its client speaks: drop must
// not block, and is called at once if the connection has made room already. The caller ends
// the wait with unmuted.
func (t *Ticket) Mute(drop func()) {
	t.gate.mu.Lock()
	defer t.gate.mu.Unlock()
	if t.dropped {
		drop()
		return
	}
	t.drop = drop
}

// Unmuted says that the wait is over.
func (t *Ticket) Unmuted() {
	t.gate.mu.Lock()
	defer t.gate.mu.Unlock()
	t.unmute()
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
// that one of source can come in, and says whether it did. Who has as many as the others has
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
	list := slices.DeleteFunc(slices.Clone(g.silent[source]), func(t *Ticket) bool { return t.lane }) // which is others' room
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
