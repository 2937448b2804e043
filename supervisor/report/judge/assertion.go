package judge

import "fmt"

// Assertion is a threshold that a report keeps or does not, such as "p99 < 50ms".
type Assertion struct {
	name, operator, limit string
	figure                *Figure
	value                 float64 // of limit, in the figure's unit
}

// String returns the assertion in its usual form.
func (a Assertion) String() string {
	if a.operator == "" {
		return a.name
	}
	return a.name + " " + a.operator + " " + a.limit
}

// Result is what became of an assertion.
type Result struct {
	Assertion Assertion
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
	if r.Assertion.operator == "" {
		return fmt.Sprintf("%s %s: %s", r.Assertion, verb, r.Value)
	}
	return fmt.Sprintf("%s %s: %s is %s", r.Assertion, verb, r.Assertion.name, r.Value)
}
