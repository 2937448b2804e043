// Package budget is how many bytes the consumers of a client may still write together: in the
// whole load, or in each of its stages.
//
// It is a number, or one for each stage, in memory that the client and its consumers share: who
// writes takes from it first. So the load or the stage ends with the very chunk that completes the
// total, in whichever process that is written, and nobody has to be asked in between.
//
// A consumer that is killed keeps what it had taken, at most a chunk for each of its writers.
package budget

import (
	"fmt"
	"os"
	"sync/atomic"
)

// Shared is one process's side of some budgets. A nil one has none.
type Shared struct {
	file    *os.File // of who made it
	memory  []byte
	budgets []Budget
}

// Budget is one of them. A nil Budget is without limit. Its methods may be called at the same time.
type Budget struct {
	left *atomic.Int64 // below 0 by less than what the last Take took
}

// New makes a budget for each of so many bytes, at most 2⁶² of them; 0 is one that is spent. The
// caller closes it.
func New(bytes ...uint64) (*Shared, error) {
	for _, one := range bytes {
		if one > 1<<62 {
			return nil, fmt.Errorf("a budget of %d bytes: the most are %d", one, uint64(1)<<62)
		}
	}
	s, err := create(len(bytes))
	if err != nil {
		return nil, fmt.Errorf("making a budget: %w", err)
	}
	for i, one := range bytes {
		s.budgets[i].left.Store(int64(one))
	}
	return s, nil
}

// Inherited returns the n budgets at the descriptor that this process inherited. It takes that
// over, and returns an error when they are not there. The caller closes it.
func Inherited(descriptor, n int) (*Shared, error) {
	s, err := inherit(descriptor, n)
	if err != nil {
		return nil, fmt.Errorf("finding the budget at descriptor %d: %w", descriptor, err)
	}
	return s, nil
}

// File returns the file that a child inherits. It is closed with s, and nil for a nil one.
func (s *Shared) File() *os.File {
	if s == nil {
		return nil
	}
	return s.file
}

// Of returns budget i, from 0; nil for a nil s.
func (s *Shared) Of(i int) *Budget {
	if s == nil {
		return nil
	}
	return &s.budgets[i]
}

// Close lets go of them. Other processes keep their sides.
func (s *Shared) Close() error {
	if s == nil {
		return nil
	}
	return s.release()
}

// Take takes bytes to write them, as long as any are left, be they less: so less than what one
// Take takes is written beyond the total.
func (b *Budget) Take(bytes int) bool {
	if b == nil {
		return true
	}
	for {
		left := b.left.Load()
		if left <= 0 {
			return false
		}
		if b.left.CompareAndSwap(left, left-int64(bytes)) {
			return true
		}
	}
}

// Return gives back what was taken and then not written.
func (b *Budget) Return(bytes int) {
	if b != nil {
		b.left.Add(int64(bytes))
	}
}

// Spent reports whether nothing is left. It may be again, after a Return.
func (b *Budget) Spent() bool { return b != nil && b.left.Load() <= 0 }
