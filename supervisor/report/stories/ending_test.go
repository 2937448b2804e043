package stories

import (
	"bytes"
	"encoding/xml"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bulkhead/internal/assertion"
	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/story"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/judge"
	"bulkhead/supervisor/report/render"
)

// endedFor returns the report of a run of one client that stopped for a reason after 6 of 20 s.
func endedFor(t *testing.T, reason bulkheadv1.StopReason, detail string) *report.Report {
	t.Helper()
	s := story.New(t, 1)
	story.Shortened(s, "a", 1, reason, detail)
	s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
	return folded.All(t, s.Records)
}

// Each reason to stop makes exactly one verdict, also those that are still to be added:
// whoever adds one says here which.
func TestEveryStopReasonHasItsVerdict(t *testing.T) {
	want := map[bulkheadv1.StopReason]struct {
		reason, load string
		word         report.Word
		says         string // the line about it; "" for none
	}{
		bulkheadv1.StopReason_STOP_REASON_UNSPECIFIED: {"unknown", report.LoadUnknown, report.WordPartial,
			"client a: its load ended after 6s of 20s, for a reason that this version does not know: why"},
		bulkheadv1.StopReason_STOP_REASON_RUNTIME: {"runtime", report.LoadWhole, report.WordComplete, ""},
		bulkheadv1.StopReason_STOP_REASON_INTERRUPTED: {"interrupted", report.LoadInterrupted, report.WordInterrupted,
			"client a: interrupted after 6s of 20s: why"},
		bulkheadv1.StopReason_STOP_REASON_DRAINED: {"drained", report.LoadInterrupted, report.WordInterrupted,
			"client a: its load was cut short by the drain after 6s of 20s"},
		bulkheadv1.StopReason_STOP_REASON_FAILED: {"failed", report.LoadFailed, report.WordPartial,
			"client a: its load could not continue: why"},
		bulkheadv1.StopReason_STOP_REASON_STEADY: {"steady", report.LoadWhole, report.WordComplete, ""},
		bulkheadv1.StopReason_STOP_REASON_TOTAL:  {"total", report.LoadWhole, report.WordComplete, ""},
		bulkheadv1.StopReason_STOP_REASON_RESERVE: {"reserve", report.LoadWhole, report.WordComplete,
			"client a: its load ended in order after 6s of 20s, where what is kept in reserve begins: why"},
		bulkheadv1.StopReason_STOP_REASON_HANGUP: {"hangup", report.LoadInterrupted, report.WordInterrupted,
			"client a: interrupted, as its terminal or session ended, after 6s of 20s: why"},
		999: {"unknown (999)", report.LoadUnknown, report.WordPartial,
			"client a: its load ended after 6s of 20s, for a reason that this version does not know: why"},
	}
	for number, name := range bulkheadv1.StopReason_name {
		if _, ok := want[bulkheadv1.StopReason(number)]; !ok {
			t.Errorf("%s has no verdict", name)
		}
	}
	for reason, w := range want {
		r := endedFor(t, reason, "why")
		v := &r.Verdict
		if c := r.Clients[0]; c.StopReason != w.reason || c.Load != w.load || v.Word != w.word ||
			v.Complete != (w.word == report.WordComplete) {
			t.Errorf("%v: %q, load %q, %s, complete %t; want %q, %q, %s", reason, c.StopReason, c.Load, v.Word,
				v.Complete, w.reason, w.load, w.word)
		}
		var lines []string
		for _, list := range [][]string{v.Reasons, v.Interruptions, v.Warnings} {
			lines = append(lines, list...)
		}
		if told := strings.Join(lines, "\n"); told != w.says {
			t.Errorf("%v says %q; want %q", reason, told, w.says)
		}
		if failed := w.load != report.LoadWhole; failed != (failureOf(t, r, "bulkhead.client") != "") ||
			(w.word != report.WordComplete) != (failureOf(t, r, "bulkhead.run") != "") {
			t.Errorf("%v: JUnit says of the client %q, of the run %q", reason, failureOf(t, r, "bulkhead.client"),
				failureOf(t, r, "bulkhead.run"))
		}
	}
}

// failureOf returns what JUnit says of the failure of the first case of a class.
func failureOf(t *testing.T, r *report.Report, class string) string {
	t.Helper()
	var out bytes.Buffer
	if err := render.JUnit(r, &out, nil); err != nil {
		t.Fatal(err)
	}
	var all render.JunitSuites
	if err := xml.Unmarshal(out.Bytes(), &all); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all.Suite.Cases, func(c render.JunitCase) bool { return c.Class == class })
	if i < 0 || all.Suite.Cases[i].Failure == nil {
		return ""
	}
	return all.Suite.Cases[i].Failure.Message + ": " + all.Suite.Cases[i].Failure.Text
}

// A drain is told as what it was, and makes the run interrupted only if it cut something
// short; what is missing as well wins.
func TestDrainsInTheVerdict(t *testing.T) {
	drain := func(s *story.Story, why string) {
		s.Add(
			&bulkheadv1.Record{Entry: &bulkheadv1.Record_DrainStarted{
				DrainStarted: &bulkheadv1.DrainStarted{Reason: why}}})
	}
	tests := []struct {
		name     string
		tell     func(*story.Story)
		word     report.Word
		headline string
		reasons  []string
		cuts     []string
		warnings []string
	}{
		{"cut nothing", func(s *story.Story) {
			story.Shortened(s, "a", 1, bulkheadv1.StopReason_STOP_REASON_RUNTIME, "")
			drain(s, "SIGTERM")
			s.Ended(bulkheadv1.RunEnd_RUN_END_DRAINED, "SIGTERM")
		}, report.WordComplete, "1 of 1 client closed", nil, nil,
			[]string{"an operator drained the run: SIGTERM; it cut no load short"}},
		{"cut a load", func(s *story.Story) {
			drain(s, "bulkhead supervisor drain")
			story.Shortened(s, "a", 1, bulkheadv1.StopReason_STOP_REASON_DRAINED, "bulkhead supervisor drain")
			s.Ended(bulkheadv1.RunEnd_RUN_END_DRAINED, "bulkhead supervisor drain")
		}, report.WordInterrupted, "1 of 1 client closed, 1 cut short by an operator", nil, []string{
			"an operator drained the run before its time: bulkhead supervisor drain",
			"client a: its load was cut short by the drain after 6s of 20s"}, nil},
		{"cut many loads", func(s *story.Story) {
			drain(s, "SIGTERM")
			for n := range uint32(9) {
				story.Shortened(s, string(rune('a'+n)), n+1, bulkheadv1.StopReason_STOP_REASON_DRAINED, "")
			}
			s.Ended(bulkheadv1.RunEnd_RUN_END_DRAINED, "SIGTERM")
		}, report.WordInterrupted, "9 of 9 clients closed, 9 cut short by an operator", nil, []string{
			"an operator drained the run before its time: SIGTERM",
			"client a: its load was cut short by the drain after 6s of 20s",
			"client b: its load was cut short by the drain after 6s of 20s",
			"client c: its load was cut short by the drain after 6s of 20s",
			"the drain cut the loads of 6 more clients short, too"}, nil},
		{"not waited for, but nothing missing", func(s *story.Story) {
			drain(s, "SIGTERM")
			story.Shortened(s, "a", 1, bulkheadv1.StopReason_STOP_REASON_DRAINED, "")
			s.Ended(bulkheadv1.RunEnd_RUN_END_INTERRUPTED, "interrupted a second time")
		}, report.WordInterrupted, "1 of 1 client closed, 1 cut short by an operator", nil, []string{
			"an operator drained the run before its time: SIGTERM",
			"an operator did not wait for the end of the drain: interrupted a second time",
			"client a: its load was cut short by the drain after 6s of 20s"}, nil},
		{"not waited for, and lost", func(s *story.Story) {
			drain(s, "SIGTERM")
			a := s.Arrive("a", 1, 1, 4001, 0)
			a.Start()
			a.End(bulkheadv1.Outcome_OUTCOME_LOST, "interrupted a second time")
			s.Ended(bulkheadv1.RunEnd_RUN_END_INTERRUPTED, "interrupted a second time")
		}, report.WordPartial, "0 of 1 client closed", []string{"client a: lost: interrupted a second time"}, []string{
			"an operator drained the run before its time: SIGTERM",
			"an operator did not wait for the end of the drain: interrupted a second time"}, nil},
		{"nobody had come", func(s *story.Story) {
			drain(s, "SIGTERM")
			s.Ended(bulkheadv1.RunEnd_RUN_END_DRAINED, "SIGTERM")
		}, report.WordPartial, "no client came", []string{"expected 1 client, 0 came"},
			[]string{"an operator drained the run before its time: SIGTERM"}, nil},
		{"interrupted at the client, and another failed", func(s *story.Story) {
			story.Shortened(s, "a", 1, bulkheadv1.StopReason_STOP_REASON_INTERRUPTED, "SIGINT")
			story.Shortened(s, "b", 2, bulkheadv1.StopReason_STOP_REASON_FAILED, "no space left on device")
			s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
		}, report.WordPartial, "2 of 2 clients closed, 1 cut short by an operator",
			[]string{"client b: its load could not continue: no space left on device"},
			[]string{"client a: interrupted after 6s of 20s: SIGINT"}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := story.New(t, 1)
			test.tell(s)
			v := folded.All(t, s.Records).Verdict
			if v.Word != test.word || v.Headline != test.headline {
				t.Errorf("%s: %s; want %s: %s", v.Word, v.Headline, test.word, test.headline)
			}
			for _, list := range []struct{ want, got []string }{{test.reasons, v.Reasons}, {test.cuts, v.Interruptions},
				{test.warnings, v.Warnings}} {
				if diff := cmp.Diff(strings.Join(list.want, "\n"), strings.Join(list.got, "\n")); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			}
		})
	}
}

// Of several runs the worst counts.
func TestTheWorstWord(t *testing.T) {
	all := []report.Word{report.WordComplete, report.WordInterrupted, report.WordPartial} // best first
	for i, a := range all {
		for j, b := range all {
			if got := a.Worse(b); got != all[max(i, j)] {
				t.Errorf("the worse of %s and %s is %s", a, b, got)
			}
		}
	}
}

// What is asserted of a run that was cut short, or lacks something, has a defined result.
func TestAssertionsOfTheEnd(t *testing.T) {
	whole := endedFor(t, bulkheadv1.StopReason_STOP_REASON_RUNTIME, "")
	whole.Clients[0].RuntimeReachedNano = int64(20 * time.Second)
	short := endedFor(t, bulkheadv1.StopReason_STOP_REASON_INTERRUPTED, "SIGINT")
	total := endedFor(t, bulkheadv1.StopReason_STOP_REASON_TOTAL, "")
	reserve := endedFor(t, bulkheadv1.StopReason_STOP_REASON_RESERVE, "")
	nobody := folded.All(t, story.EmptyRun(t))
	for _, test := range []struct {
		of    *report.Report
		text  string
		holds bool
		says  string
	}{
		{whole, "runtime", true, "runtime holds: every load ended as its workload says"},
		{whole, "complete", true, "complete holds: the run is COMPLETE"},
		{whole, "runtime >= 20s", true, "runtime >= 20s holds: runtime is 20s"},
		{whole, "runtime>=95%", true, "runtime >= 95% holds: runtime is 100.0%"},
		{whole, "interrupted == 0", true, "interrupted == 0 holds: interrupted is 0"},
		{short, "runtime", false, "runtime does not hold: client a was cut short by an operator after 6s of 20s"},
		{short, "complete", false, "complete does not hold: the run is INTERRUPTED"},
		{short, "runtime >= 20s", false, "runtime >= 20s does not hold: runtime is 6s"},
		{short, "runtime >= 95%", false, "runtime >= 95% does not hold: runtime is 30.0%"},
		{short, "runtime >= 29.5 %", true, "runtime >= 29.5% holds: runtime is 30.0%"},
		{short, "interrupted == 0", false, "interrupted == 0 does not hold: interrupted is 1"},
		{total, "runtime", true, "runtime holds: every load ended as its workload says"},
		{total, "runtime >= 95%", true, "runtime >= 95% holds: runtime is 100.0%"},
		{total, "runtime >= 20s", false, "runtime >= 20s does not hold: runtime is 6s"},
		{reserve, "runtime", false, "runtime does not hold: client a came to the end of its reserve after 6s of 20s"},
		{reserve, "runtime >= 95%", false, "runtime >= 95% does not hold: runtime is 30.0%"},
		{nobody, "runtime", false, "runtime does not hold: no client came"},
		{nobody, "runtime >= 0s", false, "runtime >= 0s does not hold: runtime is not known: no client came"},
	} {
		a, err := assertion.Parse(test.text)
		if err != nil {
			t.Errorf("%q: %v", test.text, err)
			continue
		}
		if got := judge.Check(test.of, a); got.Holds != test.holds || got.String() != test.says {
			t.Errorf("%q: %t, %q; want %t, %q", test.text, got.Holds, got, test.holds, test.says)
		}
	}
	for text, want := range map[string]string{
		"complete == 1":   "complete is asserted alone, without a comparison",
		"runtime >= 20":   "use a duration such as 20s, or a part of each client's own runtime such as 95%",
		"runtime >= NaN%": `"NaN%" is not a value of runtime`,
		"p99":             "a comparison is missing",
		"interrupted":     "a comparison is missing",
	} {
		if _, err := assertion.Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", text, err, want)
		}
	}
}

// A client that was drained alone is told of apart from a drain of the run, which ends the loads of
// others.
func TestAClientThatWasDrainedAlone(t *testing.T) {
	alone := func(runToo bool) *report.Report {
		s := story.New(t, 2)
		a := s.Arrive("a", 1, 1, 4001, 0)
		a.Start()
		b := s.Arrive("b", 2, 2, 4002, 0)
		b.Start()
		s.At(s.After + 5*time.Second)
		s.Drained(1, "its disk is failing")
		for i, one := range []*story.Actor{a, b} {
			one.At(s.After+6*time.Second).Worked(0, 1)
			reason := bulkheadv1.StopReason_STOP_REASON_DRAINED
			if i > 0 && !runToo {
				reason = bulkheadv1.StopReason_STOP_REASON_RUNTIME
			}
			if i > 0 && runToo {
				s.Add(&bulkheadv1.Record{Entry: &bulkheadv1.Record_DrainStarted{DrainStarted: &bulkheadv1.DrainStarted{
					Reason: "enough", WithinNano: int64(time.Minute)}}})
			}
			stop := one.Stop(reason, "", nil)
			stop.GetStop().RuntimeReachedNano = int64(6 * time.Second)
			one.Say(stop)
			one.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "said goodbye")
		}
		if runToo {
			s.Ended(bulkheadv1.RunEnd_RUN_END_DRAINED, "enough")
		} else {
			s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
		}
		return folded.All(t, s.Records)
	}
	const first = "client a: an operator ended its load alone after 6s of 20s: its disk is failing"
	for _, tt := range []struct {
		runToo bool
		want   []string
	}{
		{false, []string{first}},
		{true, []string{first, "an operator drained the run before its time: enough",
			"client b: its load was cut short by the drain after 6s of 20s"}},
	} {
		r := alone(tt.runToo)
		if got := r.Verdict.Interruptions; !slices.Equal(got, tt.want) || r.Verdict.Word != report.WordInterrupted {
			t.Errorf("interruptions %q, %s; want %q", got, r.Verdict.Word, tt.want)
		}
		c, told := r.Clients[0], 0
		for _, e := range r.Series.Events {
			if e.Kind == report.EventDrain && e.Client == "a" && e.At == c.DrainedAt &&
				strings.Contains(e.Text, "failing") {
				told++
			}
		}
		if c.DrainedAt == 0 || c.DrainReason != "its disk is failing" || told != 1 || r.Clients[1].DrainedAt != 0 {
			t.Errorf("client %+v, told as %d events", c, told)
		}
	}
}
