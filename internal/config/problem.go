package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one reason why a configuration is refused.
type Problem struct {
	// Where is the file and line ("configs/client.yaml:12"), the flag or the
	// environment variable that holds it.
	Where string
	// Key is the path of the key; "" when the whole file is at fault.
	Key string
	// Text says what is wrong and what would be valid.
	Text string

	// Problems are sorted by source, those of the file by line.
	source source
	line   int
}

// String returns the problem as one line of printable text.
func (p Problem) String() string {
	parts := []string{p.Where}
	if p.Key != "" {
		parts = append(parts, p.Key)
	}
	return strings.Join(append(parts, p.Text), ": ")
}

// Problems is the error of a refused configuration. It is never empty.
type Problems []Problem

// Error returns one line for each problem: those of the file in its order, then
// those of the environment, then those of the flags.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// maxProblems is how many problems are shown; of a file with more, a person has
// seen enough.
const maxProblems = 100

// refusal returns the problems in the order in which a person meets their places.
func (l *loader) refusal() Problems {
	problems := slices.Clone(l.problems)
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.source, b.source), cmp.Compare(a.line, b.line))
	})
	if l.omitted > 0 {
		last, more := problems[len(problems)-1], fmt.Sprint(l.omitted)
		if l.gaveUp {
			more += " or"
		}
		problems = append(problems, Problem{Where: last.Where,
			Text: more + " more problems are not shown"})
	}
	return problems
}

// source is where a value comes from; a greater one wins.
type source int

const (
	fromDefault source = iota
	fromFile
	fromEnv
	fromFlag
)

// origin is where one value comes from; the zero origin is its default.
type origin struct {
	source source
	// name is the file, environment variable or flag.
	name string
	// line in the file, from 1; 0 for other sources, and for the file as a whole.
	line int
	// under is the path of the part of the file in which its key stands; "" for most.
	under string
}

// where begins a problem's line.
func (o origin) where() string {
	if o.line > 0 {
		return fmt.Sprintf("%s:%d", o.name, o.line)
	}
	return o.name
}

// String names the origin within a sentence.
func (o origin) String() string {
	switch {
	case o.source == fromDefault:
		return "default"
	case o.line > 0:
		return fmt.Sprintf("line %d", o.line)
	}
	return o.name
}
