package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// The document's table has the goals that a run ends with, in their order.
func TestGoalsAreThoseOfTheDocument(t *testing.T) {
	data, err := os.ReadFile("../../../docs/benchmarks.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(data), "\n## Goals\n")
	text, _, _ = strings.Cut(text, "\n## ")
	var rows []goal
	for line := range strings.Lines(text) {
		if cells := strings.Split(line, " | "); len(cells) == 5 && !strings.HasPrefix(line, "| measure") {
			rows = append(rows, goal{strings.TrimPrefix(cells[0], "| "), cells[1], cells[3]})
		}
	}
	for i, g := range goals {
		if i >= len(rows) || rows[i] != g {
			t.Fatalf("row %d of the document's goals should be %v; there are %v", i+1, g, rows)
		}
	}
	if len(rows) != len(goals) {
		t.Errorf("the document has %d goals; want %d", len(rows), len(goals))
	}
}

// A run prints the goals that it measured, in the form of the document, and no others.
func TestMeasuredGoalsArePrinted(t *testing.T) {
	var out bytes.Buffer
	b := &bench{out: &out, results: map[string]result{}}
	b.found(goals[3].measure, "0.73 (0.59–1.09)")
	b.least(goals[3].measure, "31 k/s")
	b.least(goals[4].measure, "not measured itself")
	if err := b.printGoals(); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	want := "| messages/s to in-process, 8 × 1 | 0.30 | 0.73 (0.59–1.09) | 0.6 | 31 k/s |"
	if got := strings.Join(strings.Fields(lines[len(lines)-1]), " "); len(lines) != 4 || got != want {
		t.Errorf("printed:\n%s\nwant the last of four lines to be\n%s", &out, want)
	}
}
