package consumer

import "slices"

// numbers is a set of the numbers of files. It takes memory for each gap in them only: files
// are numbered in turn, so a set of those that were finished has about as many gaps as there are
// writers, and one for each that was spoiled.
type numbers struct {
	spans []numberSpan // in rising order, with a gap between each and the next
}

// numberSpan is the numbers from first to last.
type numberSpan struct{ first, last uint64 }

// add adds a number that is not in the set.
func (s *numbers) add(n uint64) {
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
		s.spans = slices.Insert(s.spans, at, numberSpan{n, n})
	}
}

// clone returns the set as it is now.
func (s *numbers) clone() numbers { return numbers{slices.Clone(s.spans)} }

// all yields the numbers in rising order.
func (s numbers) all(yield func(uint64) bool) {
	for _, span := range s.spans {
		for n := span.first; ; n++ {
			if !yield(n) {
				return
			}
			if n == span.last {
				break
			}
		}
	}
}
