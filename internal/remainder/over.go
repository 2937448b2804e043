package remainder

import (
	"fmt"
	"regexp"
	"strconv"
)

// Over is what a supervisor says to a client whose session has ended.
type Over struct {
	// Outcome is how it ended: lost, rejected or quarantined.
	Outcome string
	// After is the last durable message of the session, 0 if there is none, and Run the
	// run that has it.
	After uint64
	Run   string
	// Cause is why it ended, in words.
	Cause string
}

// String is o as the status message of a refusal; ParseOver reads it.
func (o Over) String() string {
	return fmt.Sprintf("this session is over: %s after message %d of run %s (%s)", o.Outcome, o.After, o.Run, o.Cause)
}

var over = regexp.MustCompile(`(?s)^this session is over: ([a-z]+) after message ([0-9]+) of run ([0-9A-Za-z_.-]+) \((.*)\)$`)

// ParseOver reads the status message of a refusal; false if it is another one.
func ParseOver(text string) (Over, bool) {
	m := over.FindStringSubmatch(text)
	if m == nil {
		return Over{}, false
	}
	after, err := strconv.ParseUint(m[2], 10, 64)
	return Over{Outcome: m[1], After: after, Run: m[3], Cause: m[4]}, err == nil
}
