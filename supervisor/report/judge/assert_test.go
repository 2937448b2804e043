package judge

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"bulkhead/internal/assertion"
	"bulkhead/supervisor/report"
)

// Every figure that can be asserted has a value of a report, in the same order.
func TestEveryFigureIsJudged(t *testing.T) {
	var names []string
	for _, f := range Figures() {
		names = append(names, f.Name)
		if f.Of == nil && f.alone == nil || f.Alone != (f.alone != nil) || f.Percent != (f.percent != nil) {
			t.Errorf("%s has no value, or is asserted in another way", f.Name)
		}
	}
	if diff := cmp.Diff(assertion.Names(), names); diff != "" {
		t.Error(diff)
	}
	var r report.Report
	for _, text := range []string{"p99 < 50ms", "complete", "runtime", "runtime > 5s", "runtime > 95%", "lost == 0"} {
		a, err := assertion.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if Check(&r, a).String() == "" {
			t.Errorf("nothing is said of %s", text)
		}
	}
}
