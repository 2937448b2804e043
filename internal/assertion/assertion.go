package assertion

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"bulkhead/internal/human"
	"bulkhead/internal/spelling"
)

// Assertion is a threshold that a run keeps or does not, such as "p99 < 50ms".
type Assertion struct {
	Name string
	// Operator and Limit are "" for a figure that is asserted alone. Value is the limit, in the
	// figure's unit, or in percent.
	Operator, Limit string
	Value           float64
	Percent         bool
	// For is the window in which it is watched while the run goes on; 0 is from its begin.
	For time.Duration
	// Abort ends a run that does not keep it.
	Abort bool
}

// Live reports whether a is watched while its run goes on.
func (a Assertion) Live() bool { return a.For > 0 || a.Abort }

// Plain returns what is asserted of the whole run.
func (a Assertion) Plain() Assertion {
	a.For, a.Abort = 0, false
	return a
}

// String returns the assertion in its usual form.
func (a Assertion) String() string {
	text := a.Name
	if a.Operator != "" {
		text += " " + a.Operator + " " + a.Limit
	}
	if a.For > 0 {
		text += " for " + human.ExactDuration(a.For)
	}
	if a.Abort {
		text += " abort"
	}
	return text
}

// Keeps reports whether a figure with this value keeps the threshold.
func (a Assertion) Keeps(x float64) bool {
	switch a.Operator {
	case "<":
		return x < a.Value
	case "<=":
		return x <= a.Value
	case ">":
		return x > a.Value
	case ">=":
		return x >= a.Value
	case "!=":
		return x != a.Value
	default:
		return x == a.Value
	}
}

// AtMost reports whether the figure may be too large and not too small.
func (a Assertion) AtMost() bool { return strings.HasPrefix(a.Operator, "<") }

// AtLeast reports whether the figure may be too small and not too large.
func (a Assertion) AtLeast() bool { return strings.HasPrefix(a.Operator, ">") }

// operators are those of an assertion; longer ones first.
var operators = []string{"<=", ">=", "==", "!=", "<", ">"}

// The bounds of For.
const (
	leastFor = time.Second
	mostFor  = time.Hour
)

// Parse reads "NAME OPERATOR VALUE", or the NAME alone of what can be asserted so, and behind it
// "for DURATION" and "abort"; spaces do not matter within a value, and p99.9 is p999. An error names the
// character, from 1, at which the text stops making sense, and what would be valid there.
func Parse(text string) (Assertion, error) {
	bad := func(at int, format string, args ...any) (Assertion, error) {
		return Assertion{}, fmt.Errorf("%q: at character %d: %s", text, len([]rune(text[:at]))+1,
			fmt.Sprintf(format, args...))
	}
	begin := len(text) - len(strings.TrimLeft(text, " \t"))
	end := begin
	for end < len(text) && !strings.ContainsRune(" \t<>=!", rune(text[end])) {
		end++
	}
	a := Assertion{Name: strings.Replace(text[begin:end], "p99.9", "p999", 1)} // as it is called elsewhere
	of, known := Of(a.Name)
	if !known {
		return bad(begin, "%q is nothing to assert; %suse %s", a.Name, spelling.Meant(a.Name, Names()),
			strings.Join(Names(), ", "))
	}
	rest := strings.TrimLeft(text[end:], " \t")
	at := len(text) - len(rest)
	if rest == "" && of.Alone {
		return a, nil
	}
	if of.Unit.parse == nil {
		return bad(at, "%s is asserted alone, without a comparison", a.Name)
	}
	for _, o := range operators {
		if strings.HasPrefix(rest, o) {
			a.Operator = o
			break
		}
	}
	if a.Operator == "" {
		return bad(at, "a comparison is missing; use <, <=, >, >=, == or !=")
	}
	at = len(text) - len(strings.TrimLeft(rest[len(a.Operator):], " \t"))
	words, err := a.readTail(strings.Fields(text[at:]))
	if err != nil {
		return bad(at, "%s", err)
	}
	a.Limit = strings.Join(words, "")
	unit := of.Unit
	if of.Percent && strings.HasSuffix(a.Limit, "%") {
		unit, a.Percent = InPercent, true
	}
	if a.Value, err = unit.parse(a.Limit); err != nil || a.Value < 0 {
		return bad(at, "%q is not a value of %s; use %s", a.Limit, a.Name, of.Unit.what)
	}
	if err := a.watchable(of.Live); err != nil {
		return bad(begin, "%s", err)
	}
	return a, nil
}

// readTail takes "for DURATION" and "abort" off the words behind a comparison.
func (a *Assertion) readTail(words []string) ([]string, error) {
	if last := len(words) - 1; last >= 0 && words[last] == "abort" {
		a.Abort, words = true, words[:last]
	}
	n := len(words)
	switch {
	case slices.Contains(words, "abort"):
		return nil, errors.New("abort stands last, as in for 10s abort")
	case n > 0 && words[n-1] == "for":
		return nil, errors.New("for needs a time, as in for 10s")
	case n < 2 || words[n-2] != "for":
		return words, nil
	}
	d, err := time.ParseDuration(words[n-1])
	if err != nil || d < leastFor || d > mostFor {
		return nil, fmt.Errorf("%q is not a time to watch for; use %s to %s", words[n-1],
			human.ExactDuration(leastFor), human.ExactDuration(mostFor))
	}
	a.For = d
	return words[:n-2], nil
}

// watchable returns why a cannot be watched while its run goes on; nil if it can, or need not be.
func (a Assertion) watchable(as Live) error {
	switch {
	case !a.Live():
		return nil
	case as == AtEnd:
		return fmt.Errorf("%s is known at the end of a run, without for and abort; what can be watched is %s", a.Name,
			strings.Join(watched(), ", "))
	case as == Rising && !a.AtMost() && a.Operator != "==":
		return fmt.Errorf("%s only rises, so that it cannot be watched with %s; use <, <= or ==", a.Name, a.Operator)
	case as == Rising:
		return nil
	case a.For == 0:
		return fmt.Errorf("%s needs a time for which it is watched, as in for 10s abort", a.Name)
	case !a.AtMost() && !a.AtLeast():
		return fmt.Errorf("%s cannot be watched with %s; use <, <=, > or >=", a.Name, a.Operator)
	}
	return nil
}
