package conformance

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
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
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range r.Scenarios {
		why := s.Why
		if s.Verdict != Passed {
			why += "\n\t\t  rule: " + s.Rule
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", s.Verdict, s.Name, why)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if left := r.seen.left(); len(left) > 0 {
		fmt.Fprintln(w, "\nNever said, which is allowed:")
		for _, l := range left {
			fmt.Fprintf(w, "  %s\n", l)
		}
	}
	_, err := fmt.Fprintf(w, "\n%d passed, %d failed, %d left out\n", r.count(Passed), r.count(Failed), r.count(LeftOut))
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

// MarshalText is the verdict for a program: passed, failed or left_out.
func (v Verdict) MarshalText() ([]byte, error) {
	return []byte([...]string{"passed", "failed", "left_out"}[v]), nil
}
