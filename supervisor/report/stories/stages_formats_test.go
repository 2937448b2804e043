package stories

import (
	"io"
	"slices"
	"strings"
	"testing"

	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/story"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/compare"
	"bulkhead/supervisor/report/render"
)

// Every format has the stages and the curve with its knee.
func TestStagesInEveryFormat(t *testing.T) {
	r := folded.All(t, story.Staged(t))
	c := r.Curves[0]
	if len(r.Curves) != 1 || c.Name != "curve" || c.Of != "peak" || len(c.Points) != 6 ||
		r.Stages[c.Knee.Stage-1].Name != "curve 60%" || c.Knee.State != report.KneeFound || !c.Knee.Slow ||
		c.Knee.Short {
		t.Fatalf("%d curves: %+v", len(r.Curves), c)
	}
	markdown := string(written(t, func(w io.Writer) error { return render.Markdown(r, w, nil) }))
	text, _ := rendered(t, r)
	junit := string(written(t, func(w io.Writer) error { return render.JUnit(r, w, nil) }))
	for _, format := range []struct{ name, got, want string }{
		{"text", string(text), "\nSTAGES\n"},
		{"text", string(text), "\nCURVE curve, in percent of peak\n  knee at curve 60%: "},
		{"text", string(text), "  knee  ▇"},
		{"Markdown", markdown, "## Stages\n"},
		{"Markdown", markdown, "| curve 60% | "},
		{"Markdown", markdown, "## Curve curve\n\nknee at curve 60%: "},
		{"JUnit", junit, `<testcase classname="bulkhead.stage" name="curve 60%" time="3">`},
		{"JUnit", junit, `<property name="stage.peak.bytes_per_second" value="`},
		{"JUnit", junit, `<property name="curve.curve.knee" value="knee at curve 60%: `},
	} {
		if !strings.Contains(format.got, format.want) {
			t.Errorf("%s lacks %q:\n%s", format.name, format.want, format.got)
		}
	}
	var names []string
	for _, row := range rowsOf(t, written(t, func(w io.Writer) error { return render.CSV(r, w) })) {
		names = append(names, row["stage"])
	}
	own := slices.Concat([]string{"", "fill", "fill"}, slices.Repeat([]string{"peak"}, 4), []string{""})
	for _, name := range []string{"curve 20%", "curve 40%", "curve 60%", "curve 80%", "curve 100%", "curve 120%"} {
		own = append(own, name, name, name)
	}
	if n := len(names) / 2; len(names) < 2*len(own) || !slices.Equal(names[:len(own)], own) ||
		!slices.Equal(names[n:n+len(own)], own) {
		t.Errorf("CSV says of its intervals %q; want %q of each client", names, own)
	}
}

// Two runs are compared stage by stage, by their names.
func TestStagesAreCompared(t *testing.T) {
	a := folded.All(t, story.Staged(t))
	records, _ := between(t)
	b := folded.Once(t, records)
	b.Stages[0].Name = "peak"
	c := compare.Reports(a, b)
	if len(c.Stages) != 10 || c.Stages[1].Name != "peak" || c.Stages[1].A == nil || c.Stages[1].B == nil ||
		!c.Stages[1].Differs || c.Stages[1].ChangePercent >= 0 || c.Stages[0].B != nil || c.Stages[9].A != nil ||
		!c.Stages[4].A.Knee {
		t.Errorf("%d stages: %+v", len(c.Stages), c.Stages)
	}
	text, markdown := string(written(t, c.Text)), string(written(t, c.Markdown))
	for _, want := range []string{"STAGES, by their names", "not the same stage", "knee of A"} {
		if !strings.Contains(text, want) || !strings.Contains(strings.ToLower(markdown), strings.ToLower(want)) {
			t.Errorf("the comparison lacks %q:\n%s", want, text)
		}
	}
	if same := compare.Reports(a, a); same.Stages[1].ChangePercent != 0 || same.Stages[1].Differs {
		t.Errorf("of itself: %+v", same.Stages[1])
	}
}
