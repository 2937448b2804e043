package stories

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/pagetest"
	"bulkhead/internal/testing/story"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report/render"
)

// assertedRun is a run that was to keep two thresholds, of which one was broken after 10 s.
func assertedRun(t testing.TB) []*bulkheadv1.Record {
	s := story.New(t, 1)
	s.Records[0].GetRunStarted().Assertions = []string{"errors == 0 abort", "throughput > 1B/s"}
	a := s.Arrive("a", 1, 1, 4001, 0)
	a.Start()
	for n := 1; n <= 20; n++ {
		a.At(time.Duration(n) * time.Second)
		a.Worked(0, 1)
		if n == 10 {
			s.Add(&bulkheadv1.Record{Entry: &bulkheadv1.Record_AssertionBreached{
				AssertionBreached: &bulkheadv1.AssertionBreached{Assertion: "errors == 0 abort",
					Value: "errors was 3"}}})
		}
	}
	a.Say(a.Stop(bulkheadv1.StopReason_STOP_REASON_RUNTIME, "", nil))
	a.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "said goodbye")
	s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
	return s.Records
}

// TestWhatARunWasToKeep is in the page with how it was kept, and in CSV each row says how many thresholds
// were broken by then. A run that was to keep nothing has no such part.
func TestWhatARunWasToKeep(t *testing.T) {
	r := folded.All(t, assertedRun(t))
	var out bytes.Buffer
	if err := render.CSV(r, &out); err != nil {
		t.Fatal(err)
	}
	at := ""
	for _, row := range rowsOf(t, out.Bytes()) {
		at += row["broken_assertions"]
	}
	if !strings.HasPrefix(at, "000000000") || !strings.HasSuffix(at, "1111111111") || strings.Contains(at, "10") {
		t.Errorf("thresholds broken, by interval: %s", at)
	}
	w := show(t, r, pagetest.Desk)
	text := strings.Join(strings.Fields(pagetest.Ask[string](w, `document.getElementById("asserted").innerText`)), " ")
	for _, want := range []string{"errors == 0 abort broken", "errors was 3", "throughput > 1B/s holds"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not have %q: %s", want, text)
		}
	}
	plain := show(t, folded.All(t, story.Undisturbed(t)), pagetest.Desk)
	if !pagetest.Ask[bool](plain, `document.getElementById("asserted").hidden`) {
		t.Error("a run that was to keep nothing has assertions in its page")
	}
}
