package report

import (
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// exitOf converts how a process ended, whose times moment puts on an axis. Numbers without
// sense become 0.
func exitOf(e *bulkheadv1.ProcessExit, moment func(wall, elapsed int64) Stamp) Exit {
	return Exit{
		Class:            exitClassOf(e),
		Code:             e.GetExitCode(),
		Signal:           e.GetSignal(),
		Cause:            cleanLines(e.GetCause()),
		EndedWork:        endedWork(e.GetEndedWork()),
		StartedAt:        moment(e.GetStartedUnixNano(), e.GetStartedElapsedNano()),
		EndedAt:          moment(e.GetEndedUnixNano(), e.GetEndedElapsedNano()),
		UserCPUNano:      durationOrNone(e.GetUserCpuNano()),
		SystemCPUNano:    durationOrNone(e.GetSystemCpuNano()),
		MaxResidentBytes: e.GetMaxResidentBytes(),
		ReadBlocks:       e.GetReadBlocks(),
		WrittenBlocks:    e.GetWrittenBlocks(),
		MajorFaults:      e.GetMajorFaults(),
	}
}

// exitClassOf is the class of an exit. On the wire a consumer that did as on_error says
// has the class of all that end with another status than 0.
func exitClassOf(e *bulkheadv1.ProcessExit) string {
	if e.GetClass() == bulkheadv1.ExitClass_EXIT_CLASS_CRASH && e.GetSignal() == 0 && e.GetEndedWork() == bulkheadv1.StopReason_STOP_REASON_FAILED {
		return ExitStopped
	}
	return exitClass(e.GetClass())
}

// endedWork is why a process ended its work before it was asked to; "" if it did not.
func endedWork(r bulkheadv1.StopReason) string {
	if r == bulkheadv1.StopReason_STOP_REASON_UNSPECIFIED {
		return ""
	}
	reason, _ := endingOf(r)
	return reason
}

func exitClass(c bulkheadv1.ExitClass) string {
	switch c {
	case bulkheadv1.ExitClass_EXIT_CLASS_CLEAN:
		return ExitClean
	case bulkheadv1.ExitClass_EXIT_CLASS_CRASH:
		return ExitCrash
	case bulkheadv1.ExitClass_EXIT_CLASS_KILLED:
		return ExitKilled
	case bulkheadv1.ExitClass_EXIT_CLASS_NEVER:
		return ExitNever
	case bulkheadv1.ExitClass_EXIT_CLASS_NOT_STARTED:
		return ExitNotStarted
	case bulkheadv1.ExitClass_EXIT_CLASS_OOM:
		return ExitOOM
	case bulkheadv1.ExitClass_EXIT_CLASS_HANG:
		return ExitHang
	case bulkheadv1.ExitClass_EXIT_CLASS_PROTOCOL:
		return ExitProtocol
	case bulkheadv1.ExitClass_EXIT_CLASS_ORPHANED:
		return ExitOrphaned
	case bulkheadv1.ExitClass_EXIT_CLASS_SANDBOX:
		return ExitSandbox
	case bulkheadv1.ExitClass_EXIT_CLASS_UNSPECIFIED:
		return ExitUnknown
	default:
		return unknownValue(c)
	}
}

// exitWords are a class as the text says it.
func exitWords(class string) string {
	switch class {
	case ExitNotStarted:
		return "not started"
	case ExitOOM:
		return "out of memory"
	case ExitHang:
		return "hung"
	case ExitProtocol:
		return "broke protocol"
	default:
		return class
	}
}

// stampOrNone returns t, or none if it cannot be a wall clock.
func stampOrNone(t int64) Stamp {
	if !saneTime(t) {
		return 0
	}
	return Stamp(t)
}

// durationOrNone returns d, or 0 if it cannot be a measured duration.
func durationOrNone(d int64) int64 {
	if !saneDurations(d) {
		return 0
	}
	return d
}
