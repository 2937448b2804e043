// Package backoff computes how long to wait before trying again.
package backoff

import "time"

// Policy is an exponential backoff: First after the first failure, twice as long
// after each further one, Most at most.
type Policy struct {
	First, Most time.Duration
}

// After returns how long to wait after the given number of failures in a row, from 1.
// random, in [0, 1), takes away up to half, so that many who failed at once do not
// all try again at once; 0 takes nothing away.
func (p Policy) After(failures int, random float64) time.Duration {
	wait := p.First
	for i := 1; i < failures && wait < p.Most; i++ {
		wait *= 2
	}
	wait = min(wait, p.Most)
	return wait - time.Duration(random*float64(wait)/2)
}
