package consumer

import (
	"slices"
	"sync"
)

// rotation knows the files of a consumer, by number, and removes those that are
// no longer wanted. A file it could not remove it does not forget.
//
// The writer alone begins, finishes and trims. Abandoning removes everything
// from beside a writer that is stuck in the kernel; that is what mu is for.
type rotation struct {
	remove func(number uint64) error
	keep   int // finished files kept; 0 keeps all

	mu       sync.Mutex
	current  []uint64 // the file in progress, if any; guarded by mu
	finished []uint64 // oldest first; guarded by mu
	spoiled  []uint64 // not finished and not wanted; guarded by mu
}

// begin notes a file that was just created.
func (r *rotation) begin(number uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.current = append(r.current, number)
}

// finish notes that the file in progress is finished.
func (r *rotation) finish() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.finished = append(r.finished, r.current...)
	r.current = r.current[:0]
}

// spoil notes that the file in progress will not be finished.
func (r *rotation) spoil() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spoiled = append(r.spoiled, r.current...)
	r.current = r.current[:0]
}

// trim removes spoiled files and the oldest finished ones beyond those kept. It
// stops at the first error; the next trim goes on from there.
func (r *rotation) trim() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.drop(&r.spoiled, 0); err != nil {
		return err
	}
	if r.keep == 0 {
		return nil
	}
	return r.drop(&r.finished, r.keep)
}

// removeAll removes every file. It tries each one and returns every error.
func (r *rotation) removeAll() []error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for _, list := range []*[]uint64{&r.spoiled, &r.finished, &r.current} {
		*list = slices.DeleteFunc(*list, func(number uint64) bool {
			err := r.remove(number)
			if err != nil {
				errs = append(errs, err)
			}
			return err == nil
		})
	}
	return errs
}

// drop removes files from the front of list until rest are left. The caller
// holds mu.
func (r *rotation) drop(list *[]uint64, rest int) error {
	for len(*list) > rest {
		if err := r.remove((*list)[0]); err != nil {
			return err
		}
		*list = slices.Delete(*list, 0, 1)
	}
	return nil
}
