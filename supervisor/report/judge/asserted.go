package judge

import (
	"fmt"

	"bulkhead/internal/assertion"
	"bulkhead/internal/human"
	"bulkhead/supervisor/report"
)

// Assert judges what the run was to keep, in a report that has its verdict but for that. Each
// threshold is compared with the whole run, and one that was breached while the run went on is
// broken whatever the whole says.
func Assert(r *report.Report) {
	v := verdict{&r.Verdict}
	for i := range r.Run.Assertions {
		a := &r.Run.Assertions[i]
		asserted, err := assertion.Parse(a.Text)
		switch {
		case v.Running:
			continue
		case err != nil:
			a.State, a.Value = report.AssertionUnknown, "not known to this version"
			v.partial("this version cannot judge %q", a.Text)
			continue
		}
		whole := Check(r, asserted.Plain())
		a.Value = whole.Value
		switch {
		case a.BreachedAt != 0 || a.Breach != "":
			a.State = report.AssertionBroken
			v.partial("%q did not hold: %s; of the whole run: %s", a.Text, a.Breach, whole)
		case !whole.Holds:
			a.State = report.AssertionBroken
			v.partial("%q does not hold: %s", a.Text, whole)
		default:
			a.State = report.AssertionHolds
		}
	}
	v.Word = v.word()
	v.Complete = v.Word == report.WordComplete
}

// Asserted returns what became of the thresholds of the run's own, for those that list thresholds.
func Asserted(r *report.Report) []Result {
	var list []Result
	for _, a := range r.Run.Assertions {
		asserted, err := assertion.Parse(a.Text)
		if err != nil || a.State == report.AssertionOpen {
			continue
		}
		value := a.Value
		if a.Breach != "" {
			value = a.Breach
		}
		list = append(list, Result{Assertion: asserted, Holds: a.State == report.AssertionHolds, Value: value})
	}
	return list
}

// breaches finds the thresholds that were not kept while the run went on.
func breaches(r *report.Report) []report.Finding {
	var list []report.Finding
	for _, a := range r.Run.Assertions {
		if a.Breach == "" {
			continue
		}
		list = append(list, report.Finding{Kind: report.FindingAssertion,
			Text: fmt.Sprintf("%q did not hold, %s after the start of the run", a.Text,
				human.Duration(report.Between(r.Run.StartedAt, a.BreachedAt))),
			Evidence: a.Breach, Threshold: a.Text})
	}
	return list
}

// Result is what became of an assertion.
type Result struct {
	Assertion assertion.Assertion
	Holds     bool
	// Value is what the report says, for a person; why there is none, which keeps no
	// threshold.
	Value string
}

// String returns in one line what was asserted, and what was found.
func (r Result) String() string {
	verb := "does not hold"
	if r.Holds {
		verb = "holds"
	}
	if r.Assertion.Operator == "" {
		return fmt.Sprintf("%s %s: %s", r.Assertion, verb, r.Value)
	}
	return fmt.Sprintf("%s %s: %s is %s", r.Assertion, verb, r.Assertion.Name, r.Value)
}
