package conduct

import (
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// MostContradictions is how many contradictions of one kind a session has in the journal.
const MostContradictions = 8

// Contradictions counts by kind what a session's clients said that cannot be.
type Contradictions [4]int

// Count counts one and returns how many of its kind there are.
func (c *Contradictions) Count(k bulkheadv1.ContradictionKind) int {
	i := int(k)
	if i < 0 || i >= len(c) {
		i = 0
	}
	c[i]++
	return c[i]
}
