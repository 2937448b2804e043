package stories

import (
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/pagetest"
	"bulkhead/internal/testing/story"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/render"
)

// parted tells a run of two clients that write 20 chunks each second and consumer in two stages of 5 s,
// between which each pauses for so many seconds.
func parted(t *testing.T, pauses ...int) *report.Report {
	s := story.New(t, uint32(len(pauses)))
	var actors []*story.Actor
	var lists [][]story.Step
	for i, pause := range pauses {
		steps := []story.Step{
			{Stage: &bulkheadv1.Stage{Name: "a", DurationNano: int64(5e9)}, Seconds: 5, Chunks: 20},
			{Stage: &bulkheadv1.Stage{Name: "b", DurationNano: int64(5e9), PauseNano: int64(pause) * 1e9}, Seconds: 5,
				Chunks: 20},
		}
		n := uint32(i + 1)
		actors = append(actors, s.ArriveStaged([]string{"alpha", "bravo"}[i], n, time.Hour*time.Duration(i), steps))
		lists = append(lists, steps)
	}
	end := 0
	for i, a := range actors {
		end = max(end, story.Stages(lists[i], 1, 0, a))
	}
	for i, a := range actors {
		story.Leave(time.Duration(end)*time.Second, map[uint32]uint64{a.Session: uint64(i + 1)}, a)
	}
	s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
	return folded.Once(t, s.Records)
}

// The time in which nobody was to write, between two stages, is in no figure of a common window, in no
// format.
func TestCommonWindowIsWithoutPauses(t *testing.T) {
	r := parted(t, 4, 4)
	w := r.CommonWindow
	if w.LengthNano != 10e9 || w.Intervals != 10 || w.Bytes != r.Totals.Bytes || w.OverlapPercent != 100 ||
		w.LongestNano != 10e9 || w.BytesPerSecond != r.Totals.Bytes/10 || len(w.Apart) != 1 ||
		since(r, w.Apart[0].FromAt) != 6*time.Second || since(r, w.Apart[0].ToAt) != 10*time.Second {
		t.Errorf("%+v", w)
	}
	const text = "2 clients wrote together for 10s, 100 % of the longest load, from +1s to +15s; first writes " +
		"within 0s; without 4s between stages"
	markdown := string(written(t, func(out io.Writer) error { return render.Markdown(r, out, nil) }))
	plain, _ := rendered(t, r)
	junit := string(written(t, func(out io.Writer) error { return render.JUnit(r, out, nil) }))
	for _, format := range []struct{ name, got, want string }{
		{"text", strings.Join(strings.Fields(string(plain)), " "), text}, {"Markdown", markdown, text},
		{"JUnit", junit, `<property name="common_window.seconds" value="10">`},
	} {
		if !strings.Contains(format.got, format.want) {
			t.Errorf("%s lacks %q:\n%s", format.name, format.want, format.got)
		}
	}
	var inside []string
	for _, row := range rowsOf(t, written(t, func(out io.Writer) error { return render.CSV(r, out) })) {
		inside = append(inside, row["in_common_window"])
	}
	own := slices.Concat([]string{"false"}, slices.Repeat([]string{"true"}, 5), slices.Repeat([]string{"false"}, 4),
		slices.Repeat([]string{"true"}, 5), []string{"false"})
	if want := slices.Concat(own, own); !slices.Equal(inside, want) {
		t.Errorf("CSV says of its intervals %q; want %q", inside, want)
	}
}

// Clients that pause at other times wrote together when none of them did.
func TestCommonWindowOfOtherPauses(t *testing.T) {
	r := parted(t, 2, 4)
	w := r.CommonWindow
	// The first writes from 1 to 6 s and from 8 to 13 s, the second until 6 s and from 10 s on.
	if w.LengthNano != 8e9 || w.Intervals != 8 || w.OverlapPercent != 80 || w.BytesPerSecond != w.Bytes/8 ||
		len(w.Apart) != 1 || since(r, w.Apart[0].ToAt) != 10*time.Second {
		t.Errorf("%+v", w)
	}
	if finding := found(r, report.FindingWindow); len(finding) != 1 {
		t.Errorf("found %q", finding)
	}
	if r = parted(t, 0, 0); r.CommonWindow.LengthNano != 10e9 || len(r.CommonWindow.Apart) != 0 {
		t.Errorf("without a pause: %+v", r.CommonWindow)
	}
	s := story.New(t, 2)
	var actors []*story.Actor
	for i, gap := range []int{6, 0} { // the second writes when the first does not
		steps := []story.Step{
			{Stage: &bulkheadv1.Stage{Name: "a", DurationNano: int64(5e9)}, Seconds: 5, Chunks: 20},
			{Stage: &bulkheadv1.Stage{Name: "b", DurationNano: int64(5e9), PauseNano: int64(gap) * 1e9}, Seconds: 5,
				Chunks: 20},
		}
		actors = append(actors, s.ArriveStaged([]string{"alpha", "bravo"}[i], uint32(i+1), 0, steps))
		if i == 1 {
			steps = steps[:1]
		}
		story.Stages(steps, 1+5*i, 0, actors[i])
	}
	if r = folded.Once(t, s.Records); r.CommonWindow.Exists() || r.CommonWindow.FromAt != 0 ||
		r.CommonWindow.Intervals != 0 || !strings.Contains(r.CommonWindow.Text, "was between two of its stages") {
		t.Errorf("apart: %+v", r.CommonWindow)
	}
}

// The charts are shaded in a pause, too.
func TestPageShadesPauses(t *testing.T) {
	w := show(t, parted(t, 4, 4), pagetest.Desk)
	if got := pagetest.Ask[string](w, `document.querySelector("#throughput .plot").dataset.common`); got != "1 6 10 15" {
		t.Errorf("shaded but for %q", got)
	}
	if facts := pagetest.Ask[string](w, `document.querySelector("#run").textContent`); !strings.Contains(facts,
		"shaded before and after it, and between stages") {
		t.Errorf("the page says %s", facts)
	}
}
