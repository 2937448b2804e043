package main

import (
	"fmt"
	"slices"
)

// spread is a sample of one figure.
type spread []float64

func (s spread) sorted() spread {
	c := slices.Clone(s)
	slices.Sort(c)
	return c
}

// quantile returns the value below which a share q of the sample lies, by the nearest
// rank.
func (s spread) quantile(q float64) float64 {
	c := s.sorted()
	return c[min(len(c)-1, int(q*float64(len(c))))]
}

func (s spread) median() float64 { return s.quantile(0.5) }

// String is the median with the extremes, each with the verb format.
func (s spread) text(format string) string {
	c := s.sorted()
	return fmt.Sprintf(format+" ("+format+"–"+format+")", s.median(), c[0], c[len(c)-1])
}

// count returns the text of whole numbers, without the extremes if all are the same.
func (s spread) count() string {
	if c := s.sorted(); c[0] == c[len(c)-1] {
		return fmt.Sprintf("%.0f", c[0])
	}
	return s.text("%.0f")
}
