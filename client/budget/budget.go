// Package budget is how many bytes the consumers of a client may still write together.
//
// It is one number in memory that the client and its consumers share: who writes takes from
// it first. So the load ends with the very chunk that completes the total, in whichever
// process that is written, and nobody has to be asked in between.
//
// A consumer that is killed keeps what it had taken, at most a chunk for each of its writers.
package budget

import (
	"fmt"
	"os"
	"sync/atomic"
)

// Budget is one process's side of it. A nil Budget is without limit. Its methods but Close
// may be called at the same time.
type Budget struct {
	file   *os.File // of who made it
	memory []byte
	left   *atomic.Int64 // below 0 by less than what the last Take took
}

// New makes a budget of so many bytes; at most 2⁶² of them. The caller closes it.
func New(bytes uint64) (*Budget, error) {
	if bytes > 1<<62 {
		return nil, fmt.Errorf("a budget of %d bytes: the most are %d", bytes, uint64(1)<<62)
	}
	b, err := create()
	if err != nil {
		return nil, fmt.Errorf("making a budget: %w", err)
	}
	b.left.Store(int64(bytes))
	return b, nil
}

// Inherited returns the budget at the descriptor that this process inherited. It takes that
// over, and returns an error when there is no budget at it. The caller closes the budget.
func Inherited(descriptor int) (*Budget, error) {
	b, err := inherit(descriptor)
	if err != nil {
		return nil, fmt.Errorf("finding the budget at descriptor %d: %w", descriptor, err)
	}
	return b, nil
}

// File returns the file that a child inherits. It is closed with the Budget, and nil for a nil one.
func (b *Budget) File() *os.File {
	if b == nil {
		return nil
	}
	return b.file
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

// Close lets go of it. Other processes keep their sides.
func (b *Budget) Close() error {
	if b == nil {
		return nil
	}
	return b.release()
}
