package tally

// Tally counts how often each of at most Limit distinct things was added, in
// order of their first time. What does not fit is counted in LeftOut.
type Tally[T comparable] struct {
	Limit   int
	Order   []T
	Counts  map[T]uint64
	LeftOut uint64
}

// Add counts a thing once.
func (t *Tally[T]) Add(thing T) { t.AddN(thing, 1) }

// AddN counts a thing n times.
func (t *Tally[T]) AddN(thing T, n uint64) {
	if t.Counts == nil {
		t.Counts = make(map[T]uint64)
	}
	if _, known := t.Counts[thing]; !known {
		if len(t.Order) >= t.Limit {
			t.LeftOut += n
			return
		}
		t.Order = append(t.Order, thing)
	}
	t.Counts[thing] += n
}
