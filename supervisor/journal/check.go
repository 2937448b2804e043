package journal

import (
	"errors"
	"fmt"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// maxViolations is how many violations a Report lists.
const maxViolations = 1000

// Report is what Check found.
type Report struct {
	// Summary is what Replay returns for the same journal.
	Summary Summary
	// Sessions is how many sessions the records are about, and Messages how many messages
	// their batches say they hold.
	Sessions uint64
	Messages uint64
	// Ended says that the journal has the end of its run.
	Ended bool
	// Damage is the first place that could not be read; nothing behind it was looked at.
	// It is nil for a journal without damage, and also the last of Violations, as is a
	// torn tail that is damaged (see Torn).
	Damage *CorruptError
	// Violations are in the order of the journal; only the first 1000 are kept.
	Violations []Violation
	// Omitted is how many more there are.
	Omitted uint64
}

// Violation is one broken invariant.
type Violation struct {
	Position
	// What is broken, for a person.
	What string
}

// String names the place and the invariant.
func (v Violation) String() string {
	return fmt.Sprintf("%v: %s", v.Position, v.What)
}

// Err returns nil when the journal keeps every invariant, else an error with one line for
// each violation. A tail that is only cut short is no violation: a crash leaves one.
func (r Report) Err() error {
	var errs []error
	for _, v := range r.Violations {
		errs = append(errs, errors.New(v.String()))
	}
	if r.Omitted > 0 {
		errs = append(errs, fmt.Errorf("and %d more violations", r.Omitted))
	}
	return errors.Join(errs...)
}

// add lists a violation.
func (r *Report) add(at Position, what string) {
	if len(r.Violations) == maxViolations {
		r.Omitted++
		return
	}
	r.Violations = append(r.Violations, Violation{at, what})
}

// addLast lists a violation that is never omitted.
func (r *Report) addLast(at Position, what string) {
	if len(r.Violations) == maxViolations {
		r.Violations = r.Violations[:maxViolations-1]
		r.Omitted++
	}
	r.add(at, what)
}

// Check reads the journal in dir and lists every violation of its invariants:
//
//   - Segments and records are whole (see CorruptError), but for a tail that is only cut
//     short (see Torn). Nothing after the first damage is looked at.
//   - Every record has an entry. RunStarted is the first and the only one of its kind;
//     nothing follows RunEnded.
//   - A session is opened once, before anything else of it, by a client that has no other
//     session. Its batches continue its sequence without gap or overlap and decode to
//     exactly the messages first_seq … last_seq. Its attachments promise no more than
//     was durable. It has one connection at a time, which is of no other session and is
//     not resumed once lost; only after a SupervisorRestarted it may be attached
//     once more to the connection it has. Its end comes once, has an outcome and the last sequence number, and
//     is the last of it; only HandlerExited, which is about a process, and Contradiction,
//     which is about whoever comes later, may follow.
//   - A RunEnded that is not RUN_END_FAILED finds every session ended.
//
// It takes no lock and changes nothing. It returns an error only when the journal could
// not be read: ErrNoJournal, ErrVersion, or what the system said.
func Check(dir string) (Report, error) {
	var r Report
	audit := newAudit(&r)
	sum, err := replay(dir, Mark{}, nil, func(rec *bulkheadv1.Record, at Position, _ Mark) error {
		audit.add(rec, at)
		return nil
	})
	r.Summary, r.Sessions = sum, uint64(len(audit.sessions))
	if errors.As(err, &r.Damage) {
		r.addLast(r.Damage.Position, r.Damage.Why)
		return r, nil
	}
	if err != nil {
		return Report{}, err
	}
	if t := sum.Torn; t != nil && t.Damaged {
		r.addLast(t.Position, t.Why)
	}
	r.Ended = audit.ended
	return r, nil
}
