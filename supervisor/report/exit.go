package report

import bulkheadv1 "bulkhead/proto/bulkhead/v1"

// exitOf converts how a process ended. Numbers without sense become 0.
func exitOf(e *bulkheadv1.ProcessExit) Exit {
	return Exit{
		Class:            exitClass(e.GetClass()),
		Code:             e.GetExitCode(),
		Signal:           e.GetSignal(),
		Cause:            clean(e.GetCause(), maxText),
		StartedAt:        stampOrNone(e.GetStartedUnixNano()),
		EndedAt:          stampOrNone(e.GetEndedUnixNano()),
		UserCPUNano:      durationOrNone(e.GetUserCpuNano()),
		SystemCPUNano:    durationOrNone(e.GetSystemCpuNano()),
		MaxResidentBytes: e.GetMaxResidentBytes(),
	}
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
	default:
		return ExitUnknown
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
