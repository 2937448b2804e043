package fold

import (
	"testing"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// A consumer that did what it was told to did not crash; one that a signal ended did.
func TestStoppedAtAnErrorIsNoCrash(t *testing.T) {
	const failed = bulkheadv1.StopReason_STOP_REASON_FAILED
	what := exitOf(&bulkheadv1.ProcessExit{Class: bulkheadv1.ExitClass_EXIT_CLASS_CRASH,
		Cause: "stopped at its first error, as on_error says"}, new(axis).exit)
	if what.Class != report.ExitCrash {
		t.Errorf("what alone make it %s; want %s", what.Class, report.ExitCrash)
	}
	for want, e := range map[string]*bulkheadv1.ProcessExit{
		report.ExitStopped: {Class: bulkheadv1.ExitClass_EXIT_CLASS_CRASH, ExitCode: 1, Cause: "in any what",
			EndedWork: failed},
		report.ExitCrash: {Class: bulkheadv1.ExitClass_EXIT_CLASS_CRASH, Signal: 11,
			Cause: "stopped at its first error, as on_error says", EndedWork: failed},
		report.ExitKilled: {Class: bulkheadv1.ExitClass_EXIT_CLASS_KILLED, EndedWork: failed},
	} {
		got := exitOf(e, new(axis).exit)
		if got.Class != want || !words.WorkerFailed(&report.Process{Kind: report.KindConsumer, Exit: &got}) &&
			want == report.ExitStopped {
			t.Errorf("%v: class %s; want %s", e, got.Class, want)
		}
	}
}
