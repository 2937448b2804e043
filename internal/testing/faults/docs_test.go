package faults_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"bulkhead/internal/testing/harness/expect"
)

var update = flag.Bool("update", false, "rewrite the tables in docs/faults.md")

const docsFile = "../../../docs/faults.md"

// TestDocsShowTheMatrix checks that the tables in docs/faults.md are those that the tests use.
func TestDocsShowTheMatrix(t *testing.T) {
	data, err := os.ReadFile(docsFile)
	expect.NoError(t, err)
	text := string(data)
	for name, table := range map[string]string{"matrix": matrixTable(), "impossible": impossibleTable(),
		"fleet":        fleetTable(),
		"crash points": crashTable()} {
		begin, end := "<!-- begin "+name+" -->\n", "<!-- end "+name+" -->\n"
		before, rest, found := strings.Cut(text, begin)
		shown, after, closed := strings.Cut(rest, end)
		if !found || !closed {
			t.Fatalf("%s lacks %q or %q", docsFile, begin, end)
		}
		if shown != table && !*update {
			t.Errorf("the table %q in %s is not what the tests use; go test ./internal/testing/faults -run "+
				"TestDocsShowTheMatrix -update rewrites it", name, docsFile)
		}
		text = before + begin + table + end + after
	}
	if *update {
		expect.NoError(t, os.WriteFile(docsFile, []byte(text), 0o644))
	}
}

// matrixTable returns a table with a line for each promise of each target and fault.
func matrixTable() string {
	var b strings.Builder
	b.WriteString(
		"| target | fault | moment | what is promised | session of c | exit status |\n|---|---|---|---|---|---|\n")
	for _, target := range allTargets {
		for _, fault := range allFaults {
			for _, g := range grouped(target, fault) {
				fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %d |\n", target, fault, moments(g.moments), g.want.says,
					sessionText(g.want), g.want.code)
			}
		}
	}
	return b.String()
}

// group is moments with one promise.
type group struct {
	moments []moment
	want    want
}

// grouped returns the promises for a target and a fault, in order of their first moment.
func grouped(t target, f fault) []group {
	var out []group
	for _, m := range allMoments {
		at := place{t, f, m}
		if whyImpossible(at) != "" {
			continue
		}
		w, _ := promised(at)
		if i := slices.IndexFunc(out, func(g group) bool { return g.want == w }); i >= 0 {
			out[i].moments = append(out[i].moments, m)
			continue
		}
		out = append(out, group{[]moment{m}, w})
	}
	return out
}

func moments(list []moment) string {
	var out []string
	for _, m := range list {
		out = append(out, string(m))
	}
	return strings.Join(out, ", ")
}

// sessionText returns how c's session ends, in words.
func sessionText(w want) string {
	switch {
	case w.outcome == absent:
		return "none"
	case w.outcome == open:
		return "open, nothing acknowledged is missing"
	case w.resumes == atLeastOnce:
		return w.outcome + ", resumed at least once"
	case w.resumes == 1:
		return w.outcome + ", resumed once"
	default:
		return w.outcome
	}
}

// impossibleTable returns a table with a line for each reason.
func impossibleTable() string {
	var b strings.Builder
	b.WriteString("| target | fault | moment | why not |\n|---|---|---|---|\n")
	for _, r := range impossible {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", each(r.targets), each(r.faults), each(r.moments), r.why)
	}
	return b.String()
}

// each returns a list in words; "any" for none.
func each[T ~string](list []T) string {
	if list == nil {
		return "any"
	}
	var out []string
	for _, v := range list {
		out = append(out, string(v))
	}
	return strings.Join(out, ", ")
}

// crashTable returns a table with a line for each crash point.
func crashTable() string {
	var b strings.Builder
	b.WriteString("| point | killed at | after another start |\n|---|---|---|\n")
	for _, p := range crashPoints {
		fmt.Fprintf(&b, "| `supervisor/%s` | %s | %s |\n", p.name, p.when(), p.says())
	}
	return b.String()
}
