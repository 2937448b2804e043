package episode

import "slices"

// maxSaid bounds the reasons that are logged of one episode.
const maxSaid = 8

// Episode is a time in which one thing fails again and again, so that it can be
// logged when it begins and when it is over. The zero value is one that is over.
type Episode struct {
	Failures int
	said     []string
}

// Failed counts a failure and returns whether to say so: each reason once.
func (e *Episode) Failed(err error) bool {
	e.Failures++
	text := err.Error()
	if len(e.said) == maxSaid || slices.Contains(e.said, text) {
		return false
	}
	e.said = append(e.said, text)
	return true
}

// Over ends the episode and returns how many failures it had; 0 if there was none.
func (e *Episode) Over() int {
	n := e.Failures
	*e = Episode{}
	return n
}
