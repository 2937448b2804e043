package main

import (
	"fmt"
	"slices"
	"text/tabwriter"
)

// goal is one aim of docs/benchmarks.md: what it was before anything was done for it, and what
// it is to be.
type goal struct{ measure, before, aim string }

// goals are the rows of the table that ends a run, and that of the document.
var goals = []goal{
	{"connect to first ack, p50, to in-process", "3.1", "at most 2"},
	{"connect to first ack, p99, to in-process", "9.1 ms", "at most 2"},
	{"messages/s to in-process, 1 × 1", "0.30", "0.5"},
	{"messages/s to in-process, 8 × 1", "0.30", "0.6"},
	{"messages/s to in-process, 8 × 16", "0.48", "0.7"},
	{"messages/s to in-process, 8 × 128", "0.50", "0.8"},
	{"MiB of a handler", "2.36", "1.5"},
	{"MiB of the supervisor per client", "0.21", "0.1"},
	{"descriptors per client", "7", "3.5"},
	{"new clients/s, 500 connected", "233", "500"},
	{"new clients/s, 2000 connected", "193", "500"},
	{"new clients/s, 4000 connected", "97", "500"},
	{"ack p50 with 4000 clients, ms", "0.9", "3"},
	{"ack p99 with 4000 clients, ms", "12.2", "50"},
	{"cut off of 4000 clients", "0", "0"},
	{"ack p50 beside 14 greedy clients, to alone", "—", "at most 2"},
	{"ack p99 beside 14 greedy clients, to alone", "—", "at most 4"},
	{"end of 2000 clients and their report, s", "—", "5"},
	{"end of 4000 clients and their report, s", "5.9", "—"},
	{"MiB of the supervisor, 2000 clients", "377", "250"},
	{"MiB an hour, 1000 clients, plain", "—", "within noise"},
	{"MiB an hour, 1000 clients, with --http", "—", "within noise"},
	{"first writes of 64 gathered clients, ms", "—", "5"},
	{"restart with 1 GB of journal, s", "3.55", "—"},
	{"restart with 10 GB of journal, s", "—", "1"},
	{"pre-flight with 10 GB of journal, s", "—", "1"},
}

// over returns each of a sample by that of a floor in the same round.
func (s spread) over(floor spread) spread {
	out := make(spread, len(s))
	for i := range s {
		out[i] = s[i] / floor[i]
	}
	return out
}

// result is what one run found of a goal.
type result struct{ now, floor string }

// found notes what a goal's measure is now.
func (b *bench) found(measure, now string) {
	r := b.results[measure]
	r.now = now
	b.results[measure] = r
}

// least notes the floor of a goal's measure.
func (b *bench) least(measure, floor string) {
	r := b.results[measure]
	r.floor = floor
	b.results[measure] = r
}

// beside says what part of a floor Bulkhead takes, and what the floor is.
func beside(ratio spread, floor string) string {
	return fmt.Sprintf("%.2f × %s", ratio.median(), floor)
}

// printGoals prints those that this run measured.
func (b *bench) printGoals() error {
	if !slices.ContainsFunc(goals, func(g goal) bool { return b.results[g.measure].now != "" }) {
		return nil
	}
	t := tabwriter.NewWriter(b.out, 0, 0, 1, ' ', 0)
	fmt.Fprintln(b.out, "\ngoals, those that were measured")
	fmt.Fprintln(t, "| measure\t| before\t| now\t| goal\t| floor\t|")
	fmt.Fprintln(t, "|---\t|---\t|---\t|---\t|---\t|")
	for _, g := range goals {
		if r := b.results[g.measure]; r.now != "" {
			fmt.Fprintf(t, "| %s\t| %s\t| %s\t| %s\t| %s\t|\n", g.measure, g.before, r.now, g.aim, r.floor)
		}
	}
	return t.Flush()
}

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
