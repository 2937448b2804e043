package stories

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/story"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
)

// However a client says that content is corrupt, the run is partial and says so first.
func TestCorruptContentMakesTheRunPartial(t *testing.T) {
	blocks := func(n uint64) func(*story.Actor) {
		return func(a *story.Actor) {
			m := a.Progress(0, 3, 0, "")
			m.GetProgress().CorruptBlocks = n
			a.Say(m)
		}
	}
	for _, test := range []struct {
		name     string
		say      func(a *story.Actor)
		headline string
		corrupt  uint64
	}{
		{"counted and named", func(a *story.Actor) {
			a.Say(a.Corruption(0, story.Place(1)), a.Corruption(1, story.Place(1)), a.Corruption(0, story.Place(2)))
			blocks(7)(a)
		}, "8 corrupt blocks in 2 files; ", 8}, // 7 of consumer 0, and 1 that consumer 1 did not come to count
		{"counted alone", blocks(2), "2 corrupt blocks; ", 2},
		{"named alone", func(a *story.Actor) { a.Say(a.Corruption(0, story.Place(1))) }, "1 corrupt block in 1 file; ",
			1},
		{"a file alone", func(a *story.Actor) {
			m := a.Rollover(0, 1, false)
			m.GetRollover().Verification = bulkheadv1.Verification_VERIFICATION_FAILED
			a.Say(m)
		}, "1 file not as written; ", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := folded.All(t, story.CorruptRun(t, test.say))
			if r.Complete() || r.Verdict.Headline != test.headline+"1 of 1 client closed" ||
				!strings.HasPrefix(r.Verdict.Reasons[0], "client a: "+strings.TrimSuffix(test.headline, "; ")) {
				t.Errorf("complete %t, headline %q, reasons %q", r.Complete(), r.Verdict.Headline, r.Verdict.Reasons)
			}
			if f := r.Findings[0]; f.Kind != report.FindingCorruption || f.Severity != report.SeverityError {
				t.Errorf("the first finding is %+v", f)
			}
			if r.Totals.CorruptBlocks != test.corrupt || r.Clients[0].CorruptBlocks != test.corrupt {
				t.Errorf("%d corrupt blocks in all, %d of the client; want %d", r.Totals.CorruptBlocks,
					r.Clients[0].CorruptBlocks, test.corrupt)
			}
			for _, a := range checkAll(t, r, "corrupt == 0") {
				if a.Holds {
					t.Errorf("%s", a)
				}
			}
		})
	}
}

// Without verification nobody knows, and with it none is none.
func TestNoCorruptionIsKnownOnlyWhenVerified(t *testing.T) {
	for verified, want := range map[uint64]bool{0: false, 4096: true} {
		r := folded.All(t, story.CorruptRun(t, func(a *story.Actor) {
			m := a.Progress(0, 3, 0, "")
			m.GetProgress().VerifiedBytes = verified
			a.Say(m)
		}))
		if got := checkAll(t, r, "corrupt == 0")[0]; got.Holds != want || !r.Complete() {
			t.Errorf("%d bytes verified: %s; complete %t", verified, got, r.Complete())
		}
	}
}

// A client that was to verify and did not makes the run partial.
func TestNothingVerifiedIsSaid(t *testing.T) {
	for _, mode := range []bulkheadv1.VerifyMode{bulkheadv1.VerifyMode_VERIFY_MODE_OFF,
		bulkheadv1.VerifyMode_VERIFY_MODE_END} {
		s := story.New(t, 1)
		a := s.Specialist("a", 1, &bulkheadv1.Workload{Consumers: []*bulkheadv1.ConsumerSpec{{Verify: mode}}})
		a.At(time.Second).Worked(0)
		a.Say(a.Stop(bulkheadv1.StopReason_STOP_REASON_RUNTIME, "", nil))
		a.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "said goodbye")
		s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
		r := folded.All(t, s.Records)
		want := mode == bulkheadv1.VerifyMode_VERIFY_MODE_END
		if got := strings.Contains(fmt.Sprint(r.Verdict.Reasons),
			"nothing that consumer 0 wrote was verified"); got != want || r.Complete() == want {
			t.Errorf("%v: %s: %q", mode, r.Verdict.Word, r.Verdict.Reasons)
		}
	}
}

// Places of one file are one event, from the first to the last.
func TestCorruptionEvents(t *testing.T) {
	r := folded.All(t, story.CorruptRun(t, func(a *story.Actor) {
		a.Say(a.Corruption(0, story.Place(1)))
		a.At(3*time.Second).Say(a.Corruption(0, story.Place(1)), a.Corruption(0, story.Place(2)))
	}))
	var got []report.Event
	for _, e := range r.Series.Events {
		if e.Kind == report.EventCorruption {
			got = append(got, e)
		}
	}
	if len(got) != 2 || got[0].EndAt-got[0].At != report.Stamp(2*time.Second) ||
		!strings.HasSuffix(got[0].Text, "torn, and 1 more place in this file") || got[1].EndAt != 0 {
		t.Errorf("events %+v", got)
	}
}
