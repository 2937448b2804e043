package words

import (
	"fmt"
	"strings"

	"bulkhead/supervisor/report"
)

// MaxNamed is the most processes of one client that are warned of one by one.
const MaxNamed = 3

// WorkerFailed reports whether a worker did not do its job to the end. Of a consumer that had
// to be killed nobody knows all that it did, whoever did not wait for it.
func WorkerFailed(p *report.Process) bool { return p.Exit.Class != report.ExitClean && !WorkerSlow(p) }

// WorkerSlow reports whether a worker did its job, but was killed before it had ended.
func WorkerSlow(p *report.Process) bool {
	return p.Exit.Class == report.ExitKilled && p.Kind != report.KindConsumer
}

// HandlerClient returns whose connection a handler served.
func HandlerClient(h *report.Handler) string {
	switch {
	case h.Client != "":
		return h.Client
	case h.ConnectionID == 0:
		return "never used"
	default:
		return "rejected connection"
	}
}

// Deed returns how a process did not end in order.
func Deed(e *report.Exit) string {
	cause := CauseBeyond(e)
	switch e.Class {
	case report.ExitCrash:
		return " crashed" + Because(cause)
	case report.ExitStopped:
		return " " + cause
	case report.ExitOOM:
		return " ran out of memory" + Because(cause)
	case report.ExitHang:
		return " hung" + Because(cause)
	case report.ExitProtocol:
		return " broke the protocol" + Because(cause)
	case report.ExitOrphaned:
		if strings.HasPrefix(cause, "ended") {
			return " " + cause
		}
		return " ended unobserved" + Because(cause)
	case report.ExitSandbox:
		return " did what its sandbox does not allow" + Because(cause)
	case report.ExitNotStarted:
		return " was never started" + Because(cause)
	}
	switch {
	case cause != "":
		return ": " + cause
	case e.Class == report.ExitKilled:
		return " did not end in time and was killed"
	case e.Class == report.ExitNever:
		return " never ended"
	default:
		return " ended in an unknown way"
	}
}

// WithPid returns a process id in brackets, to be put behind a name; "" if it is not known.
func WithPid(pid int32) string {
	if pid == 0 {
		return ""
	}
	return fmt.Sprintf(" (pid %d)", pid)
}
