package client

import "time"

const (
	backoffFirst = 200 * time.Millisecond
	backoffMost  = 5 * time.Second
)

// backoff is how long to wait before trying again after the given number of
// failed tries in a row, from 1. It doubles from 200 ms to 5 s; random, in [0, 1),
// then takes away up to half, so that many clients cut off at once do not all
// come back at once.
func backoff(failed int, random float64) time.Duration {
	wait := backoffFirst
	for i := 1; i < failed && wait < backoffMost; i++ {
		wait *= 2
	}
	wait = min(wait, backoffMost)
	return wait - time.Duration(random*float64(wait)/2)
}
