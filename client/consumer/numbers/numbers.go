// Package numbers has a set of the numbers of files, which are given in turn.
package numbers

import "slices"

// Set is a set of the numbers of files. It takes memory for each gap in them only: files
// are numbered in turn, so a set of those that were finished has about as many gaps as there are
// writers, and one for each that was spoiled.
type Set struct {
	spans []span // in rising order, with a gap between each and the next
}

// span is the numbers from first to last.
type span struct{ first, last uint64 }

// Add adds a number that is not in the set.
func (s *Set) Add(n uint64) {
	at := len(s.spans) // of the first span behind n, which is near the end
	for at > 0 && s.spans[at-1].first > n {
		at--
	}
	joinsBefore := at > 0 && s.spans[at-1].last+1 == n
	joinsAfter := at < len(s.spans) && s.spans[at].first == n+1
	switch {
	case joinsBefore && joinsAfter:
		s.spans[at-1].last = s.spans[at].last
		s.spans = slices.Delete(s.spans, at, at+1)
	case joinsBefore:
		s.spans[at-1].last = n
	case joinsAfter:
		s.spans[at].first = n
	default:
		s.spans = slices.Insert(s.spans, at, span{n, n})
	}
}

// Count returns how many numbers there are.
func (s *Set) Count() (n uint64) {
	for _, one := range s.spans {
		n += one.last - one.first + 1
	}
	return n
}

// At returns the number at place i, of Count, in rising order.
func (s *Set) At(i uint64) uint64 {
	for _, one := range s.spans {
		if n := one.last - one.first + 1; i >= n {
			i -= n
			continue
		}
		return one.first + i
	}
	panic("numbers: a place beyond the numbers")
}

// Has reports whether n is in the set.
func (s *Set) Has(n uint64) bool {
	for _, one := range s.spans {
		if one.first <= n && n <= one.last {
			return true
		}
	}
	return false
}

// Spans returns how many runs of numbers without a gap there are.
func (s *Set) Spans() int { return len(s.spans) }

// Clone returns the set as it is now.
func (s *Set) Clone() Set { return Set{slices.Clone(s.spans)} }

// All yields the numbers in rising order.
func (s Set) All(yield func(uint64) bool) {
	for _, one := range s.spans {
		for n := one.first; ; n++ {
			if !yield(n) {
				return
			}
			if n == one.last {
				break
			}
		}
	}
}
