package report

import (
	"slices"
	"strings"
	"testing"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// worked has consumers do what makes a load a whole one: write, finish a file, be sampled.
func (a *actor) worked(indexes ...uint32) {
	for _, i := range indexes {
		a.say(a.progress(i, 60, 0, ""), a.rollover(i, 0, false), a.sample(i, 1))
	}
}

// A run of loads without substance is partial, and says why, although every client closed in
// order.
func TestLoadWithoutSubstanceIsPartial(t *testing.T) {
	for name, test := range map[string]struct {
		does func(a *actor)
		says string
	}{
		"nothing at all":      {func(*actor) {}, "client a: consumers 0 and 1 wrote nothing"},
		"nothing by one":      {func(a *actor) { a.worked(0) }, "client a: consumer 1 wrote nothing"},
		"no file":             {func(a *actor) { a.say(a.progress(0, 60, 0, ""), a.sample(0, 1)); a.worked(1) }, "client a: consumer 0 finished no file"},
		"no file but partial": {func(a *actor) { a.say(a.progress(0, 60, 0, ""), a.rollover(0, 0, true), a.sample(0, 1)); a.worked(1) }, "client a: consumer 0 finished no file"},
		"less than a chunk": {func(a *actor) {
			m := a.progress(0, 0, 0, "")
			m.GetProgress().Bytes = 100
			a.say(m, a.sample(0, 1))
			a.worked(1)
		}, "client a: consumer 0 wrote less than one chunk: 100 of "},
		"not watched":             {func(a *actor) { a.say(a.progress(0, 60, 0, ""), a.rollover(0, 0, false)); a.worked(1) }, "client a: the monitor took no sample of consumer 0 in 20s"},
		"cut short, with nothing": {func(a *actor) { a.worked(1) }, "client a: consumer 0 wrote nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, 1)
			a := s.arrive("a", 1, 1, 4001, 0)
			a.start()
			a.at(20 * time.Second)
			test.does(a)
			reason := bulkheadv1.StopReason_STOP_REASON_RUNTIME
			if strings.HasPrefix(name, "cut short") {
				reason = bulkheadv1.StopReason_STOP_REASON_INTERRUPTED
			}
			stop := a.stop(reason, "", nil)
			stop.GetStop().RuntimeReachedNano = int64(20 * time.Second)
			a.say(stop)
			a.end(bulkheadv1.Outcome_OUTCOME_CLOSED, "said goodbye")
			s.ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
			v := foldAll(t, s.records).Verdict
			said := slices.ContainsFunc(v.Reasons, func(r string) bool { return strings.HasPrefix(r, test.says) })
			if v.Word != WordPartial || !said {
				t.Errorf("%s: %q; want %q", v.Word, v.Reasons, test.says)
			}
		})
	}
}
