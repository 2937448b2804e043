package words

import (
	"cmp"
	"fmt"
	"strings"

	"bulkhead/internal/human"
	"bulkhead/supervisor/report"
)

// Interruption returns how a load was cut short.
func Interruption(c *report.Client) string {
	if c.StopReason == report.StopDrained && c.DrainedAt != 0 {
		return "an operator ended its load alone " + After(c) + Because(c.DrainReason)
	}
	if c.StopReason == report.StopDrained {
		return "its load was cut short by the drain " + After(c)
	}
	words := "interrupted "
	if c.StopReason == report.StopHangup {
		words = "interrupted, as its terminal or session ended, "
	}
	return words + After(c) + Because(c.StopDetail)
}

// After returns after how long a load ended, and how long it should have taken.
func After(c *report.Client) string {
	text := "after " + human.Duration(cmp.Or(c.RuntimeReachedNano, c.RuntimeNano))
	if of := c.Workload.RuntimeNano; of > 0 {
		text += " of " + human.Duration(of)
	}
	return text
}

// CutShort returns how many clients' loads were cut short, by an operator or a drain.
func CutShort(r *report.Report) uint64 {
	var n uint64
	for i := range r.Clients {
		if r.Clients[i].Load == report.LoadInterrupted {
			n++
		}
	}
	return n
}

// Shortfall returns in one line what is wrong with a client, and of which kind it is: its
// outcome, or what became of its load. Both are "" for one that closed with a whole load.
func Shortfall(r *report.Report, c *report.Client) (kind, why string) {
	switch {
	case c.Outcome == report.OutcomeOpen:
		return c.Outcome, OpenCause(c, &r.Run)
	case c.Outcome != report.OutcomeClosed:
		return c.Outcome, EndCause(c)
	case c.Load == report.LoadInterrupted:
		return c.Load, Interruption(c)
	case c.Load == report.LoadFailed || c.Load == report.LoadUnknown:
		return c.Load, fmt.Sprintf("its load ended %s%s", After(c), Because(c.StopDetail))
	default:
		return "", ""
	}
}

// EndCause returns why a session ended as it did, with all that is known of it.
func EndCause(c *report.Client) string {
	parts := make([]string, 0, 3)
	if c.Cause != "" {
		parts = append(parts, c.Cause)
	}
	switch c.Outcome {
	case report.OutcomeLost:
		if n := len(c.Connections); n > 0 && c.Connections[n-1].DetachedAt != 0 {
			if words := lossWords(&c.Connections[n-1], c.Cause); words != "" {
				parts = append(parts, words)
			}
		}
	case report.OutcomeQuarantined:
		killed := Plural(uint64(c.KilledHandlers), "handler")
		switch {
		case c.QuarantineFile != "":
			parts = append(parts, fmt.Sprintf("what killed %s is kept in %s", killed, c.QuarantineFile))
		case c.KilledHandlers > 0:
			parts = append(parts, killed+" killed, and what did it is not kept")
		}
	}
	return strings.Join(parts, "; ")
}

// OpenCause returns the state in which a session without an end was left.
func OpenCause(c *report.Client, run *report.Run) string {
	if run.End == report.EndFailed {
		return fmt.Sprintf("cut off as the supervisor could not continue; durable up to message %s",
			human.Count(c.LastSeq))
	}
	if len(c.Connections) == 0 {
		return "never served by a handler"
	}
	last := c.Connections[len(c.Connections)-1]
	if Connected(c) {
		return fmt.Sprintf("still connected through handler %d", last.HandlerPid)
	}
	return "away" + Because(last.DetachCause)
}

// Because returns ": cause", or nothing for no cause.
func Because(cause string) string {
	if cause == "" {
		return ""
	}
	return ": " + cause
}
