package stories

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/story"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/fold"
	"bulkhead/supervisor/report/judge"
)

// A supervisor that cannot write its journal says so in the report of what it has.
func TestFailed(t *testing.T) {
	const full = "writing journal: write 00000001.seg: nothing more fits into it"
	tell := func() *story.Story {
		s := story.New(t, 3)
		s.Arrive("a", 1, 1, 4001, 0).Start()
		b := s.Arrive("b", 2, 2, 4002, 0)
		b.Start()
		b.At(time.Second).End(bulkheadv1.Outcome_OUTCOME_CLOSED, "said goodbye")
		s.Rejected(9, 4009, "", "c", "wrong token")
		return s
	}
	r := folded.All(t, tell().Records)
	warnings := append([]string(nil), r.Verdict.Warnings...)
	judge.Failed(r, report.FailureFullDisk, full)
	want := []string{
		"the supervisor could not continue: " + full + "; free space in the state directory and start the supervisor " +
			"again on the same state directory: the run continues",
		"expected 3 clients, 2 came",
		"client a: open: cut off as the supervisor could not continue; durable up to message 4",
		"client c was rejected: wrong token",
	}
	if diff := cmp.Diff(want, r.Verdict.Reasons); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(warnings, r.Verdict.Warnings); diff != "" || r.Complete() || r.Run.End != "failed" ||
		r.Run.Failure != "disk_full" || r.Run.EndedAt != 0 {
		t.Errorf("end %q at %d, complete %v, warnings (-want +got):\n%s", r.Run.End, r.Run.EndedAt, r.Complete(), diff)
	}
	text, _ := rendered(t, r)
	for _, not := range []string{"was killed", "still connected", "without an end"} {
		if strings.Contains(string(text), not) {
			t.Errorf("the text says %q:\n%s", not, text)
		}
	}

	r = fold.NewFolder().Report()
	judge.Failed(r, "", "sync: input/output error, and no space left on device")
	if want := "the supervisor could not continue: sync: input/output error, and no space left on device; " +
		"once that is fixed, start the supervisor again"; len(r.Verdict.Reasons) != 1 ||
		!strings.HasPrefix(r.Verdict.Reasons[0], want) {
		t.Errorf("reasons %q, want %q", r.Verdict.Reasons, want)
	}

	s := tell()
	s.Ended(bulkheadv1.RunEnd_RUN_END_DRAINED, "SIGTERM")
	r, same := folded.All(t, s.Records), folded.All(t, s.Records)
	judge.Failed(r, report.FailureFullDisk, full)
	if diff := cmp.Diff(same, r); diff != "" {
		t.Errorf("a run that has an end changed (-before +after):\n%s", diff)
	}
}
