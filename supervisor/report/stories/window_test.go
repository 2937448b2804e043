package stories

import (
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bulkhead/internal/latency"
	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/pagetest"
	"bulkhead/internal/testing/story"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/compare"
	"bulkhead/supervisor/report/fold"
	"bulkhead/supervisor/report/render"
)

// writes lets a client write a chunk in each second of the run, from second from up to second to.
func writes(a *story.Actor, from, to int, indexes ...uint32) {
	for n := from + 1; n <= to; n++ {
		a.At(time.Duration(n) * time.Second)
		for _, index := range indexes {
			a.Say(a.Progress(index, 1, 0, ""), a.Sample(index, n-from))
		}
	}
}

// together tells a run of two clients, one of which has two consumers, each of which writes in
// seconds of its own.
func together(t *testing.T, gather bool, alpha, bravo [2]int, ahead time.Duration) []*bulkheadv1.Record {
	s := story.New(t, 2)
	if gather {
		s.Records[0].GetRunStarted().Gather = &bulkheadv1.Gather{TimeoutNano: int64(time.Minute)}
	}
	a, b := s.Arrive("alpha", 1, 1, 4001, 0), s.Arrive("bravo", 2, 2, 4002, ahead)
	a.Start()
	b.Start()
	if gather {
		s.At(500 * time.Millisecond)
		s.Add(&bulkheadv1.Record{Entry: &bulkheadv1.Record_GatherEnded{GatherEnded: &bulkheadv1.GatherEnded{
			How: bulkheadv1.GatherEnd_GATHER_END_COMPLETE, Ready: []uint32{1, 2}, BeginElapsedNano: int64(time.Hour),
		}}})
		begun := func(a *story.Actor, from int) {
			a.At(time.Duration(from) * time.Second)
			a.Say(&bulkheadv1.Message{Process: a.Process(bulkheadv1.ProcessKind_PROCESS_KIND_CLIENT, 0),
				Fact: &bulkheadv1.Message_Begun{Begun: &bulkheadv1.Begun{}}})
		}
		begun(a, alpha[0])
		begun(b, bravo[0])
	}
	writes(a, alpha[0], alpha[1], 0, 1)
	writes(b, bravo[0], bravo[1], 0, 1)
	s.At(time.Duration(max(alpha[1], bravo[1])) * time.Second)
	for _, a := range []*story.Actor{a, b} {
		a.Say(a.Stop(bulkheadv1.StopReason_STOP_REASON_TOTAL, "", nil))
		a.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "said goodbye")
	}
	s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
	return s.Records
}

func since(r *report.Report, at report.Stamp) time.Duration {
	if at == 0 {
		return -1
	}
	return time.Duration(at - r.Run.StartedAt)
}

func found(r *report.Report, kind string) []string {
	var texts []string
	for _, f := range r.Findings {
		if f.Kind == kind {
			texts = append(texts, f.Text)
		}
	}
	return texts
}

// The common window lasts from the last first write to the first end, whatever the clients' clocks
// show, and its figures are those of its whole intervals.
func TestCommonWindow(t *testing.T) {
	for _, ahead := range []time.Duration{0, -3 * time.Hour, 40 * time.Minute} {
		r := folded.All(t, together(t, false, [2]int{1, 21}, [2]int{3, 22}, ahead))
		w := r.CommonWindow
		if w.Clients != 2 || w.Consumers != 4 || since(r, w.FromAt) != 3*time.Second ||
			since(r, w.ToAt) != 21*time.Second || w.LengthNano != int64(18*time.Second) ||
			w.LongestNano != int64(20*time.Second) || w.OverlapPercent != 90 ||
			w.StartSpreadNano != int64(2*time.Second) {
			t.Fatalf("bravo's clock ahead by %s: %+v", ahead, w)
		}
		if w.LastBegun.Client != "bravo" || w.FirstDone.Client != "alpha" {
			t.Errorf("bounded by %+v and %+v", w.LastBegun, w.FirstDone)
		}
		var bytes uint64
		for i := range w.Intervals { // the run's intervals are whole seconds from its start
			bytes += r.Series.Total.Bytes[3-int(r.Series.OffsetNano/1e9)+i]
		}
		if w.Intervals != 18 || w.Bytes != bytes || w.Bytes == r.Totals.Bytes ||
			w.BytesPerSecond != bytes/18 || w.ChunkWrite.Count == 0 || w.ChunkWrite.Count >= r.Totals.ChunkWrite.Count {
			t.Errorf("%d intervals, %d bytes, %d/s, %d chunk writes; want the %d of 18 intervals", w.Intervals, w.Bytes,
				w.BytesPerSecond, w.ChunkWrite.Count, bytes)
		}
		if list := found(r, report.FindingWindow); list != nil {
			t.Errorf("an overlap of 90 %% is found: %q", list)
		}
	}
}

// An overlap below 90 % is a finding, in a run that ended; no common window at all is one, too, and
// makes a run partial whose clients were to begin together.
func TestCommonWindowIsJudged(t *testing.T) {
	for _, test := range []struct {
		name         string
		gather       bool
		alpha, bravo [2]int
		word         report.Word
		finding      string
		reason       string
	}{
		{"together", true, [2]int{1, 11}, [2]int{1, 11}, report.WordComplete, "", ""},
		{"mostly together", false, [2]int{1, 11}, [2]int{3, 11}, report.WordComplete,
			"the clients wrote together for 8s only, 80 % of the longest load", ""},
		{"one after the other", false, [2]int{1, 5}, [2]int{6, 9}, report.WordComplete,
			"there was no time in which all 2 clients wrote: consumer 0 of bravo began when consumer 1 of alpha had " +
				"ended",
			""},
		{"one after the other, although gathered", true, [2]int{1, 5}, [2]int{6, 9}, report.WordPartial,
			"there was no time in which all 2 clients wrote", "no common window: there was no time in which all 2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			records := together(t, test.gather, test.alpha, test.bravo, 0)
			r := folded.All(t, records)
			list, reasons := strings.Join(found(r, report.FindingWindow), "\n"), strings.Join(r.Verdict.Reasons, "\n")
			if r.Verdict.Word != test.word || !strings.HasPrefix(list, test.finding) ||
				(list == "") != (test.finding == "") ||
				!strings.HasPrefix(reasons, test.reason) || (reasons == "") != (test.reason == "") {
				t.Errorf("%s because of %q; found %q", r.Verdict.Word, reasons, list)
			}
			f := fold.NewFolder()
			for _, record := range records[:len(records)-1] {
				if err := f.Add(record); err != nil {
					t.Fatal(err)
				}
			}
			if r := f.SoFar(); len(found(r, report.FindingWindow)) > 0 || len(r.Verdict.Reasons) > 0 {
				t.Errorf("of a run that continues is judged: %q, %q", found(r, report.FindingWindow), r.Verdict.Reasons)
			}
		})
	}
}

// Who is not in the common window is said, and why: who wrote nothing, and whose messages came later.
// A lost client ends it with its last word.
func TestCommonWindowSaysOfWhomItIsNot(t *testing.T) {
	s := story.New(t, 4)
	a, b := s.Arrive("alpha", 1, 1, 4001, 0), s.Arrive("bravo", 2, 2, 4002, 0)
	idle := s.Arrive("idle", 3, 3, 4003, 0)
	for _, one := range []*story.Actor{a, b, idle} {
		one.Start()
	}
	writes(b, 0, 4, 0)
	writes(a, 0, 10, 0)
	b.At(11*time.Second).End(bulkheadv1.Outcome_OUTCOME_LOST, "no connection for 7s")
	s.Resend(b, 4, b.Seq)
	later := s.Arrive("later", 5, 5, 4005, 0)
	s.Hello(5).Resent = true
	later.Start()
	writes(later, 12, 14, 0)
	r := folded.Once(t, s.Records)
	w := r.CommonWindow
	if w.Clients != 2 || since(r, w.FromAt) != 0 || since(r, w.ToAt) != 4*time.Second || w.FirstDone.Client != "bravo" {
		t.Errorf("%+v", w)
	}
	want := []report.WindowWithout{{Session: 3, Client: "idle", Why: report.WithoutWriting},
		{Session: 5, Client: "later", Why: report.WithoutClock}}
	if diff := cmp.Diff(want, w.Without); diff != "" {
		t.Errorf("without (-want +got):\n%s", diff)
	}
	text, _ := rendered(t, r)
	for _, want := range []string{"without idle (wrote nothing), later (delivered later)",
		"clients wrote together for 4s"} {
		if !strings.Contains(strings.Join(strings.Fields(string(text)), " "), want) {
			t.Errorf("the text lacks %q:\n%s", want, text)
		}
	}
}

// No clock that is set while they write moves the common window of clients that tell the other one.
func TestCommonWindowHangsOnNoWallClock(t *testing.T) {
	records := together(t, false, [2]int{1, 21}, [2]int{3, 22}, 0)
	never := func(time.Duration) time.Duration { return 0 }
	set := setAfter(6*time.Second, -2*time.Hour)
	want := folded.All(t, twoClocks(t, records, "boot", never, never)).CommonWindow
	got := folded.All(t, twoClocks(t, records, "boot", set, set)).CommonWindow
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("clocks that are set move the common window (-without +with):\n%s", diff)
	}
}

// A window without a whole interval has no figures; one client alone has nothing in common.
func TestCommonWindowThatIsShort(t *testing.T) {
	s := story.New(t, 2)
	for i, name := range []string{"alpha", "bravo"} {
		a := s.At(300*time.Millisecond).Arrive(name, uint32(i+1), uint64(i+1), int32(4001+i), 0)
		a.Start()
		s.At(1700 * time.Millisecond)
		a.Say(a.Progress(0, 1, 0, ""))
	}
	r := folded.All(t, s.Records)
	if w := r.CommonWindow; !w.Exists() || w.Intervals != 0 || w.Bytes != 0 || w.ChunkWrite.Count != 0 {
		t.Errorf("%+v", w)
	}
	one := folded.All(t, story.OneClient(t))
	if text, _ := rendered(t, one); strings.Contains(string(text), "in common") || one.CommonWindow.Text != "" {
		t.Errorf("one client has a common window in words:\n%s", text)
	}
}

// Every format has the common window.
func TestCommonWindowInEveryFormat(t *testing.T) {
	r := folded.All(t, together(t, true, [2]int{1, 13}, [2]int{2, 11}, 0))
	markdown := string(written(t, func(w io.Writer) error { return render.Markdown(r, w, nil) }))
	text, _ := rendered(t, r)
	junit := string(written(t, func(w io.Writer) error { return render.JUnit(r, w, nil) }))
	for _, format := range []struct{ name, got, want string }{
		{"text", string(text), "  in common    2 clients wrote together for 9s, 75 % of the longest load"},
		{"text", string(text), "in the 9 whole intervals of 1s that are in it"},
		{"text", string(text), "  gather       waited for 2 clients for 1m00s at most; all were ready after 500ms"},
		{"Markdown", markdown, "| gather | waited for 2 clients for 1m00s at most; all were ready after 500ms"},
		{"Markdown", markdown, "| in common | 2 clients wrote together for 9s, 75 % of the longest load"},
		{"JUnit", junit, `<property name="common_window.overlap_percent" value="75">`},
		{"JUnit", junit, `<property name="common_window.start_spread_seconds" value="1">`},
	} {
		if !strings.Contains(format.got, format.want) {
			t.Errorf("%s lacks %q:\n%s", format.name, format.want, format.got)
		}
	}
	var inside []string
	for _, row := range rowsOf(t, written(t, func(w io.Writer) error { return render.CSV(r, w) })) {
		inside = append(inside, row["in_common_window"])
	}
	own := slices.Concat([]string{"false", "false"}, slices.Repeat([]string{"true"}, 9),
		[]string{"false", "false"})
	if want := slices.Concat(own, own); !slices.Equal(inside, want) {
		t.Errorf("CSV says of its intervals %q; want %q", inside, want)
	}
}

// Two runs that have a common window each are compared by these: what one client wrote alone does not
// count.
func TestCommonWindowsAreCompared(t *testing.T) {
	a := folded.All(t, together(t, false, [2]int{0, 14}, [2]int{0, 14}, 0))
	b := folded.All(t, together(t, false, [2]int{0, 40}, [2]int{0, 12}, 0))
	c := compare.Reports(a, b)
	if c.B.Window != "common window, steady, +0s … +12s, 12 intervals of 1s" {
		t.Errorf("compared in B: %q", c.B.Window)
	}
	whole := make(map[string]compare.Difference)
	for _, d := range c.Whole {
		whole[d.Name] = d
	}
	if d := whole["common window"]; d.A != "14s" || d.B != "12s" {
		t.Errorf("common windows of %+v", d)
	}
	alone := compare.Reports(folded.All(t, story.OneClient(t)), b)
	for _, d := range alone.Whole {
		if strings.HasPrefix(d.Name, "common") {
			t.Errorf("with a run of one client %+v is compared", d)
		}
	}
}

// The page shades what is before and after the common window, and says so.
func TestPageShowsTheCommonWindow(t *testing.T) {
	r := folded.All(t, together(t, true, [2]int{1, 11}, [2]int{2, 11}, 0))
	w := show(t, r, pagetest.Desk)
	if got := pagetest.Ask[string](w, `document.querySelector("#throughput .plot").dataset.common`); got != "2 11" {
		t.Errorf("shaded but for %q", got)
	}
	facts := pagetest.Ask[string](w, `document.querySelector("#run").textContent`)
	for _, want := range []string{"2 clients wrote together for 9s", "the charts are shaded before and after it",
		"waited for 2 clients"} {
		if !strings.Contains(facts, want) {
			t.Errorf("the page lacks %q: %s", want, facts)
		}
	}
}

// warmed tells a run of two clients that write for 20 s, of which the first 5 are their warm-up, in
// which all is slower by far.
func warmed(t *testing.T) []*bulkheadv1.Record {
	s := story.New(t, 2)
	var actors []*story.Actor
	judged := make(map[*story.Actor]uint64) // of consumer 0
	for i, name := range []string{"alpha", "bravo"} {
		a := s.Arrive(name, uint32(i+1), uint64(i+1), int32(4001+i), 0)
		s.Hello(uint32(i + 1)).Workload.WarmupNano = int64(5 * time.Second)
		a.Start()
		actors = append(actors, a)
	}
	for n := 1; n <= 20; n++ {
		for _, a := range actors {
			a.At(time.Duration(n) * time.Second)
			for index := range uint32(2) {
				p := a.Progress(index, 100, 0, "")
				if n <= 5 {
					var h latency.Histogram
					h.Add(time.Second, 1)
					p.Fact = &bulkheadv1.Message_Progress{Progress: &bulkheadv1.Progress{
						IntervalNano: int64(time.Second), Bytes: story.Mib, Chunks: 1, ChunkWrite: h.Proto(),
						Warmup: true}}
				} else if index == 0 {
					judged[a] += p.GetProgress().GetBytes()
				}
				a.Say(p, a.Sample(index, n))
			}
		}
	}
	for _, a := range actors {
		file := a.Rollover(0, 0, false) // most of which is of the time after the warm-up, but not all
		f := file.GetRollover()
		f.SizeBytes = judged[a] + 3*story.Mib
		f.Chunks = f.SizeBytes / f.ChunkSizeBytes
		a.Say(file, a.Stop(bulkheadv1.StopReason_STOP_REASON_TOTAL, "", nil))
		a.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "said goodbye")
	}
	s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
	return s.Records
}

// A warm-up is in the run over time, and in no figure that is judged.
func TestAWarmUpIsInNoFigure(t *testing.T) {
	r := folded.All(t, warmed(t))
	total, w := &r.Totals, r.CommonWindow
	if total.WarmUp == nil || total.WarmUp.Bytes != 20*story.Mib || total.WarmUp.Chunks != 20 {
		t.Fatalf("the warm-up is %+v", total.WarmUp)
	}
	if sum := story.Sum(r.Series.Total.Bytes); sum != total.Bytes+total.WarmUp.Bytes {
		t.Errorf("%d bytes over time; want %d and the warm-up's", sum, total.Bytes)
	}
	const late = int64(500 * time.Millisecond)
	if total.ChunkWrite.MaxNano > late || r.Clients[0].ChunkWrite.MaxNano > late || w.ChunkWrite.MaxNano > late ||
		slices.Max(r.Series.Total.MaxNano) < late || total.WritingNano != int64(15*time.Second) ||
		total.BytesPerSecond != total.Bytes/15 {
		t.Errorf("in all %+v over %d ns, of a client %+v, in common %+v", total.ChunkWrite, total.WritingNano,
			r.Clients[0].ChunkWrite, w.ChunkWrite)
	}
	if since(r, w.FromAt) != 5*time.Second || w.Intervals != 15 || w.OverlapPercent != 100 {
		t.Errorf("in common: %+v", w)
	}
	if r.Series.WarmUpIntervals != 5 || r.Rates()[4] != 0 || r.Rates()[5] == 0 {
		t.Errorf("%d intervals of warm-up, rates %v", r.Series.WarmUpIntervals, r.Rates())
	}
	if c := &r.Clients[0]; c.RuntimeNano != int64(15*time.Second) || len(c.Contradictions) > 0 ||
		r.Verdict.Word != report.WordComplete {
		t.Errorf("%s, %d ns of runtime, %+v: %q", r.Verdict.Word, c.RuntimeNano, c.Contradictions, r.Verdict.Reasons)
	}
	if list := found(r, report.FindingSteady); len(list) != 1 || !strings.Contains(list[0], "from +5s on, for 15s") {
		t.Errorf("found %q", list)
	}
	text, _ := rendered(t, r)
	markdown := string(written(t, func(w io.Writer) error { return render.Markdown(r, w, nil) }))
	for _, got := range []string{string(text), markdown} {
		for _, want := range []string{"21 MB in 20 chunks; they are in the run over time alone",
			"after a warm-up of 5s"} {
			if !strings.Contains(got, want) {
				t.Errorf("it lacks %q:\n%s", want, got)
			}
		}
	}
}
