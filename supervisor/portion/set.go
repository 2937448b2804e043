package portion

import (
	"maps"
	"slices"
)

// member is a client that has a part.
type member struct {
	consumers uint32
	session   uint32 // the one that has it; 0 while the client has not come
}

// Set is who has a part in a rate. It is not safe for concurrent use.
type Set struct {
	total   Rate
	members map[string]member
	divided map[string]uint32 // by how many consumers each was weighed in the last division
}

// New returns the set of a rate in which nobody has a part.
func New(total Rate) *Set {
	return &Set{total: total, members: make(map[string]member), divided: make(map[string]uint32)}
}

// Expect gives a client a part that has not come yet.
func (s *Set) Expect(m Member) {
	if _, known := s.members[m.Name]; !known {
		s.members[m.Name] = member{consumers: max(m.Consumers, 1)}
	}
}

// Join gives a session's client a part, or notes that it has come.
func (s *Set) Join(session uint32, m Member) {
	s.members[m.Name] = member{consumers: max(m.Consumers, 1), session: session}
}

// Out takes the part of a session's client, unless another session has that by now.
func (s *Set) Out(session uint32, name string) {
	if s.members[name].session == session {
		delete(s.members, name)
	}
}

// Missing takes the part of a client that has not come.
func (s *Set) Missing(name string) { s.Out(0, name) }

// Due reports whether the rate is to be divided: others have a part than in the last division. Where nobody
// has one, there is nothing to divide.
func (s *Set) Due() bool {
	if len(s.members) == 0 {
		return false
	}
	return !maps.EqualFunc(s.members, s.divided,
		func(m member, consumers uint32) bool { return m.consumers == consumers })
}

// Parts returns the parts of all that have one, by name.
func (s *Set) Parts() []Part {
	var list []Member
	for _, name := range slices.Sorted(maps.Keys(s.members)) {
		list = append(list, Member{name, s.members[name].consumers})
	}
	return Divide(s.total, list)
}

// Divided notes that the rate is divided so.
func (s *Set) Divided(parts []Part) {
	clear(s.divided)
	for _, p := range parts {
		s.divided[p.Name] = p.Consumers
	}
}
