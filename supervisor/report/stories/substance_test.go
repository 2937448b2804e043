package stories

import (
	"slices"
	"strings"
	"testing"
	"time"

	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/story"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
)

// A run of loads without substance is partial, and says why, although every client closed in
// order.
func TestLoadWithoutSubstanceIsPartial(t *testing.T) {
	for name, test := range map[string]struct {
		does func(a *story.Actor)
		says string
	}{
		"nothing at all": {func(*story.Actor) {}, "client a: consumers 0 and 1 wrote nothing"},
		"nothing by one": {func(a *story.Actor) { a.Worked(0) }, "client a: consumer 1 wrote nothing"},
		"no file": {func(a *story.Actor) { a.Say(a.Progress(0, 60, 0, ""), a.Sample(0, 1)); a.Worked(1) },
			"client a: consumer 0 finished no file"},
		"no file but partial": {func(a *story.Actor) {
			a.Say(a.Progress(0, 60, 0, ""), a.Rollover(0, 0, true), a.Sample(0, 1))
			a.Worked(1)
		}, "client a: consumer 0 finished no file"},
		"less than a chunk": {func(a *story.Actor) {
			m := a.Progress(0, 0, 0, "")
			m.GetProgress().Bytes = 100
			a.Say(m, a.Sample(0, 1))
			a.Worked(1)
		}, "client a: consumer 0 wrote less than one chunk: 100 of "},
		"not watched": {func(a *story.Actor) {
			a.Say(a.Progress(0, 60, 0, ""),
				a.Rollover(0, 0, false))
			a.Worked(1)
		}, "client a: the monitor took no sample of consumer 0 in 20s"},
		"read by nobody": {func(a *story.Actor) {
			a.Worked(1)
			m := a.Progress(0, 60, 0, "")
			m.GetProgress().Reads, m.GetProgress().ReadBytes = 1, 4096
			a.Say(m, a.Rollover(0, 0, false), a.Sample(0, 1))
		}, "client a: the readers of consumer 1 read nothing, although they should have"},
		"cut short, with nothing": {func(a *story.Actor) { a.Worked(1) }, "client a: consumer 0 wrote nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			s := story.New(t, 1)
			if name == "read by nobody" {
				s.Readers = 1
			}
			a := s.Arrive("a", 1, 1, 4001, 0)
			a.Start()
			a.At(20 * time.Second)
			test.does(a)
			reason := bulkheadv1.StopReason_STOP_REASON_RUNTIME
			if strings.HasPrefix(name, "cut short") {
				reason = bulkheadv1.StopReason_STOP_REASON_INTERRUPTED
			}
			stop := a.Stop(reason, "", nil)
			stop.GetStop().RuntimeReachedNano = int64(20 * time.Second)
			a.Say(stop)
			a.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "said goodbye")
			s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
			v := folded.All(t, s.Records).Verdict
			said := slices.ContainsFunc(v.Reasons, func(r string) bool { return strings.HasPrefix(r, test.says) })
			if v.Word != report.WordPartial || !said {
				t.Errorf("%s: %q; want %q", v.Word, v.Reasons, test.says)
			}
		})
	}
}
