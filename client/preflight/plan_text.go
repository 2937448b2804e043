package preflight

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"

	"bulkhead/internal/human"
	"bulkhead/internal/plural"
)

// JSON writes the plan for a program.
func (p Plan) JSON(w io.Writer) error {
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	return out.Encode(p)
}

// Text writes the plan for a person. Neighbours that are alike share a paragraph.
func (p Plan) Text(to io.Writer) error {
	w := new(bytes.Buffer)
	until := "for " + p.Runtime.String()
	if p.TotalBytes > 0 {
		until = fmt.Sprintf("until all together wrote %s, at most for %s", human.BriefSize(p.TotalBytes), p.Runtime)
	}
	if len(p.Stages) > 0 {
		until = fmt.Sprintf("for at most %s, in %s", p.Runtime, plural.Of(len(p.Stages), "stage"))
		if p.Runtime == 0 {
			until = fmt.Sprintf("until %s over", plural.Of(len(p.Stages), "stage")+" "+plural.Is(len(p.Stages)))
		}
	}
	fmt.Fprintf(w, "nothing is written now; the load would run %s\n", until)
	for _, one := range p.Stages {
		fmt.Fprintf(w, "  %s\n", one)
	}
	available := ""
	if p.MemoryFreeBytes > 0 {
		available = fmt.Sprintf("; %s are available", human.BriefSize(p.MemoryFreeBytes))
	}
	fmt.Fprintf(w, "it takes at most %s of memory, without what is written%s\n", Memory(p.MemoryBytes),
		available)
	for _, warning := range p.Warnings {
		fmt.Fprintf(w, "warning: %s\n", warning)
	}
	for at := 0; at < len(p.Consumers); {
		next := at + 1
		for next < len(p.Consumers) && alike(p.Consumers[at], p.Consumers[next]) {
			next++
		}
		describe(w, p.Consumers[at], p.Consumers[next-1])
		at = next
	}
	_, err := to.Write(w.Bytes())
	return err
}

// alike reports whether two planned consumers differ in no more than number and beginning.
func alike(a, b PlannedConsumer) bool {
	return filepath.Dir(a.Path) == filepath.Dir(b.Path) && a.Writes == b.Writes && a.ReserveBytes == b.ReserveBytes &&
		a.ReserveInodes == b.ReserveInodes && a.MemoryBytes == b.MemoryBytes &&
		(a.ExpectedBytes == 0) == (b.ExpectedBytes == 0)
}

// describe writes the paragraph of consumers that are alike, from the first to the last.
func describe(w *bytes.Buffer, first, last PlannedConsumer) {
	who, each := fmt.Sprintf("consumer %d: %s", first.Index, first.Path), ""
	if first.Index != last.Index {
		who = fmt.Sprintf("consumers %d to %d: %s to %s", first.Index, last.Index, first.Path, filepath.Base(last.Path))
		each = ", each"
	}
	fmt.Fprintf(w, "%s\n  %s\n", who, first.Writes)
	begins := "begins at once"
	if last.BeginsAfter > 0 {
		begins = "begins after " + first.BeginsAfter.String()
		if first.BeginsAfter != last.BeginsAfter {
			begins += " to " + last.BeginsAfter.String()
		}
	}
	expected := "as fast as the storage takes it"
	if first.ExpectedBytes > 0 {
		expected = "writes about " + human.BriefSize(first.ExpectedBytes) + " in all"
	}
	fmt.Fprintf(w, "  %s; %s%s\n", begins, expected, each)
	atOnce := "all that is written stays there to the end"
	if first.AtOnceBytes > 0 {
		atOnce = "at most " + human.BriefSize(first.AtOnceBytes) + " there at once" + each
	}
	if first.FreeBytes > 0 { // otherwise it is full, or could not be looked at, which is told
		atOnce += fmt.Sprintf("; %s free now, %s of it left in reserve", human.BriefSize(first.FreeBytes),
			human.BriefSize(first.ReserveBytes))
	}
	fmt.Fprintf(w, "  %s\n", atOnce)
	fmt.Fprintf(w, "  %s\n", inodesLine(first, each))
	fmt.Fprintf(w, "  at most %s of memory%s\n", Memory(first.MemoryBytes), each)
	for _, path := range first.Removes {
		fmt.Fprintf(w, "  removes %s, which a crashed client left\n", path)
	}
}

// inodesLine returns how many files there may be, and how many inodes.
func inodesLine(one PlannedConsumer, each string) string {
	line := "nothing bounds the files there at once"
	if one.FilesAtOnce > 0 {
		line = fmt.Sprintf("at most %s there at once%s", plural.Of(one.FilesAtOnce, "file"), each)
	}
	switch {
	case one.FreeBytes == 0 && one.FreeInodes == nil: // it could not be looked at, which is told
		return line
	case one.FreeInodes == nil:
		return line + "; the file system does not limit inodes"
	default:
		return fmt.Sprintf("%s; %s free now, %d of them left in reserve", line, plural.Of(*one.FreeInodes, "inode"),
			one.ReserveInodes)
	}
}
