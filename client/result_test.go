package client

import (
	"errors"
	"strings"
	"testing"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

func TestExitCode(t *testing.T) {
	for verdict, want := range map[Verdict]int{VerdictComplete: 0, VerdictFailed: 1, VerdictUnworkable: 78,
		VerdictPartial: 3, VerdictInterrupted: 4, "": 1} {
		if got := (Result{Verdict: verdict}).ExitCode(); got != want {
			t.Errorf("%q: exit code %d; want %d", verdict, got, want)
		}
	}
}

func TestResultIsPartialForEachProblem(t *testing.T) {
	tests := []struct {
		name   string
		result Result
		want   string // empty for complete
	}{
		{"complete", Result{Delivered: true, Closed: true}, ""},
		{"aborted", Result{Closed: true, cut: 1}, "stopped at once"},
		{"without substance", Result{Closed: true, missing: []string{"consumer 0 wrote nothing"}},
			"consumer 0 wrote nothing"},
		{"failed", Result{Closed: true, Reason: bulkheadv1.StopReason_STOP_REASON_FAILED,
			Detail: "no consumer is left"}, "no consumer is left"},
		{"crash", Result{Closed: true, CrashedWorkers: []string{"consumer 1 fell"}}, "consumer 1 fell"},
		{"write errors", Result{Closed: true, Errors: 3}, "3 operations"},
		{"corruption", Result{Closed: true, CorruptBlocks: 3, FirstCorruption: "where and what"},
			"3 blocks did not read back as they were written, the first: where and what"},
		{"dropped", Result{Closed: true, Dropped: 4}, "4 messages"},
		{"undelivered", Result{Messages: 9, Undelivered: 5, SpoolPath: "/tmp/x/spool"},
			"5 of 9 messages are not delivered (cause); they are kept in /tmp/x/spool"},
		{"undelivered and lost", Result{Messages: 9, Undelivered: 5}, "could not be kept"},
		{"not confirmed", Result{Delivered: true}, "did not confirm"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := test.result
			r.judge(errors.New("cause"))
			if test.want == "" {
				if r.Verdict != VerdictComplete || len(r.Problems) != 0 {
					t.Errorf("%s: %v; want complete", r.Verdict, r.Problems)
				}
			} else if r.Verdict != VerdictPartial || len(r.Problems) != 1 || !strings.Contains(r.Problems[0],
				test.want) {
				t.Errorf("%s: %v; want partial, %q", r.Verdict, r.Problems, test.want)
			}
		})
	}
}

// What an operator cut short is told as such, with how far it came; what is missing as well
// wins, and does not hide it.
func TestInterruptedLoadSaysHowFarItCame(t *testing.T) {
	for reason, want := range map[bulkheadv1.StopReason]string{
		bulkheadv1.StopReason_STOP_REASON_INTERRUPTED: "interrupted after 6s of 20s: why",
		bulkheadv1.StopReason_STOP_REASON_HANGUP: "interrupted, as its terminal or session ended, after 6s of " +
			"20s: why",
		bulkheadv1.StopReason_STOP_REASON_DRAINED: "drained by an operator of the supervisor after 6s of 20s: why",
	} {
		r := Result{Closed: true, Reason: reason, Detail: "why", Reached: 6 * time.Second, Runtime: 20 * time.Second}
		r.judge(nil)
		if r.Verdict != VerdictInterrupted || r.Interruption != want || r.ExitCode() != 4 {
			t.Errorf("%v: %s, exit code %d: %q; want %q", reason, r.Verdict, r.ExitCode(), r.Interruption, want)
		}
		r.Dropped = 1
		r.judge(nil)
		if r.Verdict != VerdictPartial || r.Interruption != want {
			t.Errorf("%v, and something missing: %s: %q; want partial, %q", reason, r.Verdict, r.Interruption, want)
		}
	}
}
