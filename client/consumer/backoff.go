package consumer

import "time"

const (
	firstPause = 100 * time.Millisecond
	longPause  = 5 * time.Second
)

// backoff returns how long to pause after so many failures in a row: 100 ms
// after the first, twice as long after each further one, at most 5 s.
func backoff(failures int) time.Duration {
	pause := firstPause
	for range failures - 1 {
		if pause >= longPause/2 {
			return longPause
		}
		pause *= 2
	}
	return pause
}
