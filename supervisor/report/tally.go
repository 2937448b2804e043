package report

// tally counts how often each of at most limit distinct things was added, in
// order of their first time. What does not fit is counted in leftOut.
type tally[T comparable] struct {
	limit   int
	order   []T
	counts  map[T]uint64
	leftOut uint64
}

func (t *tally[T]) add(thing T) { t.addN(thing, 1) }

func (t *tally[T]) addN(thing T, n uint64) {
	if t.counts == nil {
		t.counts = make(map[T]uint64)
	}
	if _, known := t.counts[thing]; !known {
		if len(t.order) >= t.limit {
			t.leftOut += n
			return
		}
		t.order = append(t.order, thing)
	}
	t.counts[thing] += n
}
