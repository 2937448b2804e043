package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"

	"bulkhead/internal/table"
)

// Outcome is how one scenario went.
type Outcome struct {
	Name    string  `json:"name"`
	Rule    string  `json:"rule"`
	Verdict Verdict `json:"verdict"`
	// Why is what the client did wrong, or did not do; what there is to say otherwise.
	Why string `json:"why,omitempty"`
}

// Result is how a client did.
type Result struct {
	Scenarios []Outcome
	seen      *seen
}

// Conforms reports whether every scenario passed.
func (r *Result) Conforms() bool { return r.count(Passed) == len(r.Scenarios) }

func (r *Result) count(v Verdict) int {
	n := 0
	for _, s := range r.Scenarios {
		if s.Verdict == v {
			n++
		}
	}
	return n
}

// Facts are how many messages there were of each kind of fact.
func (r *Result) facts() map[string]int {
	out := make(map[string]int, len(r.seen.facts))
	for name, n := range r.seen.facts {
		out[string(name)] = n
	}
	return out
}

// Text writes the result for a person.
func (r *Result) Text(w io.Writer) error {
	t := table.New("", "", "")
	for _, s := range r.Scenarios {
		t.Row(s.Verdict.String(), s.Name, s.Why)
		if s.Verdict != Passed {
			t.Row("", "", "  rule: "+s.Rule)
		}
	}
	var out bytes.Buffer
	t.Write(&out, "", math.MaxInt)
	if left := r.seen.left(); len(left) > 0 {
		out.WriteString("\nNever said, which is allowed:\n")
		for _, l := range left {
			fmt.Fprintf(&out, "  %s\n", l)
		}
	}
	fmt.Fprintf(&out, "\n%d passed, %d failed, %d left out\n", r.count(Passed), r.count(Failed), r.count(LeftOut))
	_, err := w.Write(out.Bytes())
	return err
}

// JSON writes the result for a program.
func (r *Result) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		Conforms  bool           `json:"conforms"`
		Scenarios []Outcome      `json:"scenarios"`
		Facts     map[string]int `json:"facts"`
		NeverSaid []string       `json:"never_said"`
	}{r.Conforms(), r.Scenarios, r.facts(), r.seen.left()})
}

// MarshalText returns the verdict for a program: passed, failed or left_out.
func (v Verdict) MarshalText() ([]byte, error) {
	return []byte([...]string{"passed", "failed", "left_out"}[v]), nil
}
