// Package attendance counts the clients of a run: which of those that are expected have
// come. The supervisor counts with it to know when a run may end, and the report to say who
// never came, so both say the same.
//
// A name counts once. A client that crashed and was started again under its name does not
// stand for another machine; nor do two machines that call themselves the same, which their
// operator is told. Where names are awaited, only those count.
package attendance

// Standing is what a client counts as that has come.
type Standing uint8

const (
	// Counts is the first client of its name.
	Counts Standing = iota
	// Again is a further client of a name that has come before.
	Again
	// Unexpected is a client whose name nobody awaits, where names are awaited.
	Unexpected
)

// Register is who is expected, and who of them has come. It is not safe for concurrent use.
type Register struct {
	expected int
	names    []string        // awaited; empty for any names
	awaited  map[string]bool // the same
	came     map[string]bool // all names that came
	joined   int             // those that count
}

// New returns a register in which nobody has come. With names, exactly those are expected, and
// expected is not looked at; else any so many of different names are.
func New(expected int, names []string) *Register {
	r := &Register{expected: expected, names: names, awaited: make(map[string]bool, len(names)),
		came: make(map[string]bool)}
	if len(names) > 0 {
		r.expected = len(names)
	}
	for _, name := range names {
		r.awaited[name] = true
	}
	return r
}

// Come takes note of a client, and returns what it counts as.
func (r *Register) Come(name string) Standing {
	s := r.Standing(name)
	r.came[name] = true
	if s == Counts {
		r.joined++
	}
	return s
}

// Standing returns what a client would count as that came now.
func (r *Register) Standing(name string) Standing {
	switch {
	case r.came[name]:
		return Again
	case len(r.names) > 0 && !r.awaited[name]:
		return Unexpected
	default:
		return Counts
	}
}

// Awaited reports whether a client of this name is one of those that are expected.
func (r *Register) Awaited(name string) bool { return len(r.names) == 0 || r.awaited[name] }

// ByName reports whether names are awaited.
func (r *Register) ByName() bool { return len(r.names) > 0 }

// Expected returns how many clients must come.
func (r *Register) Expected() int { return r.expected }

// Joined returns how many have come that count.
func (r *Register) Joined() int { return r.joined }

// Absent returns the awaited names that have not come, in their order; none where any names
// count.
func (r *Register) Absent() []string {
	var absent []string
	for _, name := range r.names {
		if !r.came[name] {
			absent = append(absent, name)
		}
	}
	return absent
}
