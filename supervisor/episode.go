package supervisor

import "slices"

// maxSaid bounds the reasons that are logged of one episode.
const maxSaid = 8

// episode is a time in which one thing fails again and again, so that it can be
// logged when it begins and when it is over. The zero value is one that is over.
type episode struct {
	failures int
	said     []string
}

// failed counts a failure and returns whether to say so: each reason once.
func (e *episode) failed(err error) bool {
	e.failures++
	text := err.Error()
	if len(e.said) == maxSaid || slices.Contains(e.said, text) {
		return false
	}
	e.said = append(e.said, text)
	return true
}

// over ends the episode and returns how many failures it had; 0 if there was none.
func (e *episode) over() int {
	n := e.failures
	*e = episode{}
	return n
}
