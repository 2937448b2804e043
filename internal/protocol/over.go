package protocol

import (
	"fmt"
	"strconv"
	"strings"

	"bulkhead/internal/reason"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// SessionOver is what a supervisor says to a client whose session has ended.
type SessionOver struct {
	// Outcome is how it ended: lost, rejected or quarantined.
	Outcome bulkheadv1.Outcome
	// After is the last durable message of the session, 0 if there is none, and Run the
	// run that has it.
	After uint64
	Run   string
	// Cause is why it ended, in words.
	Cause string
}

// Metadata returns o as what comes with the reason of a refusal; SessionOverOf reads it.
func (o SessionOver) Metadata() map[string]string {
	return map[string]string{reason.Outcome: Word(o.Outcome), reason.After: strconv.FormatUint(o.After, 10),
		reason.Run: o.Run}
}

// SessionOverOf returns what a refusal says besides its words; false if it says nothing.
func SessionOverOf(m map[string]string) (SessionOver, bool) {
	after, err := strconv.ParseUint(m[reason.After], 10, 64)
	o := SessionOver{Outcome: OutcomeNamed(m[reason.Outcome]), After: after, Run: m[reason.Run]}
	return o, err == nil && m[reason.Outcome] != "" && o.Run != ""
}

// String returns o for people: the status message of a refusal.
func (o SessionOver) String() string {
	return fmt.Sprintf("this session is over: %s after message %d of run %s (%s)", Word(o.Outcome), o.After,
		o.Run, o.Cause)
}

// OutcomeNamed returns the outcome of a name; unspecified for one that this version does not
// know.
func OutcomeNamed(name string) bulkheadv1.Outcome {
	return bulkheadv1.Outcome(bulkheadv1.Outcome_value["OUTCOME_"+strings.ToUpper(name)])
}
