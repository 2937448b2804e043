package client

import (
	"cmp"
	"fmt"
	"time"

	"bulkhead/client/session"
	"bulkhead/internal/exitstatus"
	"bulkhead/internal/human"
	"bulkhead/internal/plural"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Verdict says in one word how a client's run went.
type Verdict string

const (
	// VerdictComplete: the load ended in order and every message was delivered.
	VerdictComplete Verdict = "complete"
	// VerdictInterrupted: nothing is missing but what an operator cut off, here or by a
	// drain; Result.Interruption says how, or an error that wraps ErrInterrupted if it was
	// the whole load.
	VerdictInterrupted Verdict = "interrupted"
	// VerdictPartial: something is missing; Result.Problems says what.
	VerdictPartial Verdict = "partial"
	// VerdictFailed: there was no load, because the supervisor could not be reached,
	// refused the client, or the client could not begin.
	VerdictFailed Verdict = "failed"
	// VerdictUnworkable: there was no load, because the configuration cannot work.
	VerdictUnworkable Verdict = "unworkable"
)

// Result is how a client's run went.
type Result struct {
	Verdict Verdict
	// Reason is why the load ended, Detail what there is to say beyond it.
	Reason bulkheadv1.StopReason
	Detail string
	// ClientID is the client's id in hex, that of its first session if it continued in another
	// run; RunID and SessionID are the supervisor's names for the last one, empty if there
	// was no Welcome.
	ClientID, RunID, SessionID string
	// Delivered says that every message is durable at the supervisor; Closed that
	// the supervisor has also confirmed the end of the session.
	Delivered, Closed bool
	// Files, Bytes, Chunks and Errors are the sums over all consumers, as far as
	// they said.
	Files, Bytes, Chunks, Errors uint64
	// LastError is the text of the last error.
	LastError string
	// VerifiedBytes were read back and compared; CorruptBlocks of them were not what was
	// written, the first of which FirstCorruption describes.
	VerifiedBytes, CorruptBlocks uint64
	FirstCorruption              string
	// ReadBytes were read by readers beside the writing, in so many Reads.
	ReadBytes, Reads uint64
	// Runtime is how long the load was to last, and Reached how long it did until its end
	// began; Load is that until the exit of the last worker. All count from when the
	// consumers were ready and began; 0 if they never did.
	Runtime, Reached, Load time.Duration
	// Writing is how much of it any consumer wrote, or tried to: from the first one's
	// beginning to the last one's end, without the reading back and removing behind it.
	Writing time.Duration
	// CrashedWorkers has one line for each worker that did not end in order.
	CrashedWorkers []string
	// Messages is how many messages there were, Undelivered how many of them are
	// not durable, and Dropped how many more the full spool refused.
	Messages, Undelivered, Dropped uint64
	// SpoolPath is the file that holds the undelivered messages; empty if there are none.
	SpoolPath string
	// ResendCommand is the command line that delivers them; empty if there are none,
	// or if the supervisor will not take them.
	ResendCommand string
	// LoadPaths are the folders with load files that were kept.
	LoadPaths []string
	// Interruption says how an operator cut the load short; empty if nobody did.
	Interruption string
	// Problems has one line for everything that makes the verdict partial, and Notes one
	// for what should be known of a load of which nothing is missing.
	Problems, Notes []string

	missing []string       // of the load itself
	moves   []session.Move // to other runs
	cut     int            // workers that could not end, because it was stopped at once
}

// ExitCode returns the exit status that tells the verdict: 0 complete, 1 failed, 3 partial, 4
// interrupted, 78 unworkable.
func (r Result) ExitCode() int {
	switch r.Verdict {
	case VerdictComplete:
		return exitstatus.Complete
	case VerdictUnworkable:
		return exitstatus.Config
	case VerdictPartial:
		return exitstatus.Partial
	case VerdictInterrupted:
		return exitstatus.Interrupted
	default:
		return exitstatus.Failure
	}
}

// judge sets the problems and the verdict of a run that had a session. sessionErr
// is why the session did not close in order.
func (r *Result) judge(sessionErr error) {
	problem := func(format string, args ...any) { r.Problems = append(r.Problems, fmt.Sprintf(format, args...)) }
	if r.cut > 0 {
		problem("it was stopped at once, before its orderly end: what %s had not said yet is lost",
			plural.Of(r.cut, "worker"))
	}
	if r.Reason == bulkheadv1.StopReason_STOP_REASON_FAILED {
		problem("the load could not continue: %s", r.Detail)
	}
	for _, line := range r.CrashedWorkers {
		problem("%s", line)
	}
	r.Problems = append(r.Problems, r.missing...)
	if r.Errors > 0 {
		problem("%s of the consumers failed, the last: %s", plural.Of(r.Errors, "operation"),
			cmp.Or(r.LastError, "without a text"))
	}
	if r.CorruptBlocks > 0 || r.FirstCorruption != "" {
		was := "they were"
		if r.CorruptBlocks == 1 {
			was = "it was"
		}
		problem("%s did not read back as %s written, the first: %s", plural.Of(r.CorruptBlocks, "block"), was,
			cmp.Or(r.FirstCorruption, "without a text"))
	}
	if r.Dropped > 0 {
		problem("%s had no room in the spool and %s lost", plural.Of(r.Dropped, "message"), plural.Is(r.Dropped))
	}
	switch {
	case r.Undelivered > 0 && r.SpoolPath != "":
		problem("%d of %s %s not delivered (%v); they are kept in %s", r.Undelivered, plural.Of(r.Messages, "message"),
			plural.Is(r.Undelivered), sessionErr, r.SpoolPath)
	case r.Undelivered > 0:
		problem("%d of %s %s not delivered (%v) and could not be kept", r.Undelivered, plural.Of(r.Messages, "message"),
			plural.Is(r.Undelivered), sessionErr)
	case !r.Closed:
		problem("the supervisor did not confirm the end of the session (%v)", sessionErr)
	}
	for _, m := range r.moves {
		if m.After > 0 {
			problem("%s", m)
		} else {
			r.Notes = append(r.Notes, m.String())
		}
	}
	r.Interruption = r.interruption()
	switch {
	case len(r.Problems) > 0:
		r.Verdict = VerdictPartial
	case r.Interruption != "":
		r.Verdict = VerdictInterrupted
	default:
		r.Verdict = VerdictComplete
	}
	if r.Reason == bulkheadv1.StopReason_STOP_REASON_RESERVE {
		r.Notes = append([]string{fmt.Sprintf("the load came to its reserve %s: %s", r.after(), r.Detail)}, r.Notes...)
	}
}

// interruption returns how an operator cut the load short; empty if nobody did.
func (r *Result) interruption() string {
	why := ""
	if r.Detail != "" {
		why = ": " + r.Detail
	}
	switch r.Reason {
	case bulkheadv1.StopReason_STOP_REASON_INTERRUPTED:
		return "interrupted " + r.after() + why
	case bulkheadv1.StopReason_STOP_REASON_HANGUP:
		return "interrupted, as its terminal or session ended, " + r.after() + why
	case bulkheadv1.StopReason_STOP_REASON_DRAINED:
		return "drained by an operator of the supervisor " + r.after() + why
	default:
		return ""
	}
}

// after returns how much of its runtime the load reached.
func (r *Result) after() string {
	if r.Runtime == 0 { // of stages that their bytes end
		return "after " + human.BriefDuration(r.Reached)
	}
	return "after " + human.BriefDuration(r.Reached) + " of " + human.BriefDuration(r.Runtime)
}
