package threads

import (
	"runtime"
	"sync"
)

// Ahead makes n operating-system threads, those that the process has counted in as far
// as they are idle, and leaves them to the runtime.
func Ahead(n int) {
	var all, done sync.WaitGroup
	all.Add(n)
	for range n {
		done.Go(func() { // ends when all are there
			runtime.LockOSThread() // from here on no two of them share a thread
			defer runtime.UnlockOSThread()
			all.Done()
			all.Wait()
		})
	}
	done.Wait()
}

// Limit bounds how many threads are in calls that wait in the kernel. A nil Limit bounds
// nothing.
type Limit struct{ slots chan struct{} }

// NewLimit lets n calls wait at the same time.
func NewLimit(n int) *Limit { return &Limit{make(chan struct{}, n)} }

// Do calls f, when fewer than so many others are being called.
func (l *Limit) Do(f func()) {
	if l != nil {
		l.slots <- struct{}{}
		defer func() { <-l.slots }()
	}
	f()
}
