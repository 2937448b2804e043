package stories

import (
	"bytes"
	"html"
	"io"
	"strings"
	"testing"
	"time"

	"bulkhead/internal/assertion"
	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/pagetest"
	"bulkhead/internal/testing/story"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/judge"
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

// A run that is good as a whole and was not in one window of it is not complete: what was seen then is in
// every format, with what the whole is.
func TestARunWithOneBadWindow(t *testing.T) {
	const text, value = "throughput > 1B/s for 10s", "throughput was at most 0 B/s in 10s"
	records := assertedRun(t)
	records[0].GetRunStarted().Assertions = []string{text}
	for _, r := range records {
		if b := r.GetAssertionBreached(); b != nil {
			b.Assertion, b.Value = text, value
		}
	}
	r := folded.All(t, records)
	a := r.Run.Assertions[0]
	whole := judge.Check(r, checked(t, "throughput > 1B/s"))
	if !whole.Holds || r.Complete() || r.Verdict.Word != report.WordPartial || a.State != report.AssertionBroken ||
		a.Breach != value || a.Value != whole.Value || since(r, a.BreachedAt) != 10*time.Second {
		t.Errorf("%s, %+v; of the whole %v", r.Verdict.Word, a, whole)
	}
	why := `"throughput > 1B/s for 10s" did not hold: throughput was at most 0 B/s in 10s; of the whole run: throughput ` +
		`> 1B/s holds: throughput is ` + whole.Value
	if len(r.Verdict.Reasons) != 1 || r.Verdict.Reasons[0] != why {
		t.Errorf("reasons %q; want %q", r.Verdict.Reasons, why)
	}
	if finding := found(r, report.FindingAssertion); len(finding) != 1 || !strings.Contains(finding[0], text) {
		t.Errorf("found %q", finding)
	}
	plain, _ := rendered(t, r)
	for name, out := range map[string][]byte{"text": plain,
		"Markdown": written(t, func(w io.Writer) error { return render.Markdown(r, w, nil) }),
		"JUnit":    written(t, func(w io.Writer) error { return render.JUnit(r, w, nil) })} {
		if !strings.Contains(strings.Join(strings.Fields(html.UnescapeString(string(out))), " "), value) {
			t.Errorf("%s does not have %q:\n%s", name, value, out)
		}
	}
	if results := judge.Asserted(r); len(results) != 1 || results[0].Holds {
		t.Errorf("JUnit has %v", results)
	}
}

// What every client wrote together can be asserted; of one client alone nothing is known.
func TestTheCommonWindowCanBeAsserted(t *testing.T) {
	r, one := folded.All(t, together(t, false, [2]int{1, 21}, [2]int{3, 22}, 0)), folded.All(t, story.OneClient(t))
	for _, test := range []struct {
		text string
		want bool
	}{
		{"overlap >= 90%", true}, {"overlap > 90 %", false}, {"start_spread <= 2s", true}, {"start_spread < 2s", false},
		{"common_throughput > 4MB/s", true}, {"common_throughput > 9GB/s", false},
		{"common_p99 < 1s", true}, {"common_max < 1ns", false}, {"common_read_throughput >= 0B/s", false},
	} {
		if got := judge.Check(r, checked(t, test.text)); got.Holds != test.want {
			t.Errorf("%v; want %t", got, test.want)
		}
		if got := judge.Check(one, checked(t, test.text)); got.Holds || !strings.Contains(got.Value, "not known") {
			t.Errorf("of one client: %v", got)
		}
	}
}

func checked(t *testing.T, text string) assertion.Assertion {
	t.Helper()
	a, err := assertion.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
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
