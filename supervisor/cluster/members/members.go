// Package members tells which supervisors of a run are at work, and which of them is to take a session that
// nobody at work has. It is pure: its owner feeds it what is heard, and asks.
//
// Time is counted in what this supervisor hears of itself, which goes the same way through the engine as
// what the others say. So a supervisor that cannot reach the engine, or does not run for a while, holds nobody
// for gone; and nothing that must be safe hangs on who is held for gone: the fence of package cluster does
// that.
package members

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/cespare/xxhash/v2"
)

// Silent is after how many beats of its own a supervisor holds another for gone of which it has heard
// nothing.
const Silent = 10

// Beat is what a supervisor says of itself.
type Beat struct {
	Supervisor uint32
	// Open is how many sessions without an outcome it has.
	Open uint32
	// Leaving says that it lets go of them.
	Leaving bool
}

// Members are the supervisors of a run, as one of them sees them.
type Members struct {
	self   uint32
	own    uint64 // how many beats it has heard of itself
	others map[uint32]member
}

type member struct {
	at   uint64 // what own was when it was heard last
	open uint32
}

// New returns the members as the supervisor of a number sees them that has heard nothing.
func New(self uint32) *Members { return &Members{self: self, others: make(map[uint32]member)} }

// Hear takes a beat, and reports whether another supervisor has come or gone with it.
func (m *Members) Hear(b Beat) (changed bool) {
	switch _, known := m.others[b.Supervisor]; {
	case b.Supervisor == m.self:
		m.own++
		return m.forget()
	case b.Leaving:
		delete(m.others, b.Supervisor)
		return known
	default:
		m.others[b.Supervisor] = member{m.own, b.Open}
		return !known
	}
}

// forget lets go of those that have been silent for too long.
func (m *Members) forget() bool {
	before := len(m.others)
	maps.DeleteFunc(m.others, func(_ uint32, o member) bool { return m.own-o.at >= Silent })
	return len(m.others) < before
}

// Others returns the numbers of the others that are at work, rising.
func (m *Members) Others() []uint32 { return slices.Sorted(maps.Keys(m.others)) }

// Open returns how many sessions without an outcome the others say they have.
func (m *Members) Open() (n uint32) {
	for _, o := range m.others {
		n += o.open
	}
	return n
}

// Settled reports whether it has been heard for so long that whoever is at work must have been heard, too.
func (m *Members) Settled() bool { return m.own >= Silent }

// Takes reports whether this supervisor is the one to take the session of a client that a supervisor of that
// number had last. It is never one that another has which is at work. All who see the same members come
// to the same one: the one of the highest weight for the client (rendezvous hashing, Thaler and
// Ravishankar 1998).
func (m *Members) Takes(client []byte, had uint32) bool {
	if _, works := m.others[had]; works || had == m.self || !m.Settled() {
		return false
	}
	mine := weight(client, m.self)
	for n := range m.others {
		if w := weight(client, n); w > mine || w == mine && n > m.self {
			return false
		}
	}
	return true
}

func weight(client []byte, supervisor uint32) uint64 {
	return xxhash.Sum64(binary.LittleEndian.AppendUint32(slices.Clone(client), supervisor))
}
