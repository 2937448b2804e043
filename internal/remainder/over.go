package remainder

import (
	"fmt"
	"regexp"
	"strconv"

	"bulkhead/internal/reason"
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

// Metadata is o as what comes with the reason of a refusal; FromMetadata reads it.
func (o Over) Metadata() map[string]string {
	return map[string]string{reason.Outcome: o.Outcome, reason.After: strconv.FormatUint(o.After, 10), reason.Run: o.Run}
}

// FromMetadata is what a refusal says besides its words; false if it says nothing.
func FromMetadata(m map[string]string) (Over, bool) {
	after, err := strconv.ParseUint(m[reason.After], 10, 64)
	o := Over{Outcome: m[reason.Outcome], After: after, Run: m[reason.Run]}
	return o, err == nil && o.Outcome != "" && o.Run != ""
}

// String is o as the status message of a refusal; ParseOver reads it, for clients of
// supervisors that give no reasons.
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
