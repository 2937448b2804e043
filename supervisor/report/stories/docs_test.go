package stories

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"bulkhead/internal/assertion"
	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/story"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/compare"
)

func readDocs(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "report.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// Each object of the JSON has a section in docs/report.md that names its fields,
// all of them and no others.
func TestDocsNameEveryField(t *testing.T) {
	sections := make(map[string]string)
	for _, part := range strings.Split(readDocs(t), "\n### ")[1:] {
		name, text, _ := strings.Cut(part, "\n")
		text, _, _ = strings.Cut(text, "\n## ")
		sections[name] = text
	}
	seen := make(map[reflect.Type]bool)
	var visit func(reflect.Type)
	visit = func(typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || seen[typ] {
			return
		}
		seen[typ] = true
		want := make(map[string]bool)
		for i := range typ.NumField() {
			field := typ.Field(i)
			visit(field.Type)
			if field.Anonymous {
				if !strings.Contains(sections[typ.Name()], "all fields of ["+field.Name+"]") {
					t.Errorf("section %s does not say that it has the fields of %s", typ.Name(), field.Name)
				}
				continue
			}
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			want[name] = true
		}
		checkFields(t, typ.Name(), want, documentedFields(sections[typ.Name()]))
	}
	visit(reflect.TypeFor[report.Report]())
}

// documentedFields returns the names in the first column of a section's table.
func documentedFields(section string) map[string]bool {
	name := regexp.MustCompile("`([a-z0-9_]+)`")
	fields := make(map[string]bool)
	for _, line := range strings.Split(section, "\n") {
		cells := strings.Split(line, "|")
		if len(cells) < 3 {
			continue
		}
		for _, match := range name.FindAllStringSubmatch(cells[1], -1) {
			fields[match[1]] = true
		}
	}
	return fields
}

func checkFields(t *testing.T, object string, want, got map[string]bool) {
	t.Helper()
	for field := range want {
		if !got[field] {
			t.Errorf("docs/report.md: %s lacks %s", object, field)
		}
	}
	for field := range got {
		if !want[field] {
			t.Errorf("docs/report.md: %s has %s, which is no field", object, field)
		}
	}
}

// What docs/report.md shows of a report is what a report looks like.
func TestDocsShowRealReports(t *testing.T) {
	var golden []byte
	for _, story := range story.Stories {
		text, _ := rendered(t, folded.All(t, story.Write(t)))
		golden = append(golden, text...)
	}
	golden = append(golden, written(t,
		compare.Reports(folded.All(t, story.Undisturbed(t)), folded.All(t, story.Disturbed(t))).Text)...)
	blocks := regexp.MustCompile("(?s)```text\n(.*?)```").FindAllStringSubmatch(readDocs(t), -1)
	if len(blocks) == 0 {
		t.Fatal("docs/report.md shows no report")
	}
	for _, block := range blocks {
		if !strings.Contains(string(golden), block[1]) {
			t.Errorf("no report says\n%s", block[1])
		}
	}
}

// docs/report.md lists everything that can be asserted, and every kind of finding and event.
func TestDocsNameWhatCanBeAssertedAndFound(t *testing.T) {
	docs := readDocs(t)
	_, thresholds, _ := strings.Cut(docs, "\n## Thresholds\n")
	thresholds, _, _ = strings.Cut(thresholds, "\n## ")
	want := make(map[string]bool)
	for _, name := range assertion.Names() {
		want[name] = true
	}
	checkFields(t, "Thresholds", want, documentedFields(thresholds))

	_, findings, _ := strings.Cut(docs, "\n## What the numbers mean\n")
	findings, _, _ = strings.Cut(findings, "\n## ")
	kinds := map[string]bool{"kind": true}
	for _, kind := range []string{report.FindingCorruption, report.FindingClientBound, report.FindingStalled,
		report.FindingStraggler, report.FindingClock, report.FindingClockStep, report.FindingClockTimes,
		report.FindingRollover, report.FindingSteady, report.FindingNameTwice, report.FindingUnexpected,
		report.FindingContradiction, report.FindingSilent, report.FindingPaused, report.FindingUnavailable,
		report.FindingLeftOut,
		report.FindingCertificate, report.FindingPlainText, report.FindingVersions, report.FindingSandbox,
		report.FindingReads,
		report.FindingNeighbour,
		report.FindingDevice, report.FindingWriteback, report.FindingNetwork, report.FindingThrottled,
		report.FindingMemory, report.FindingSpace, report.FindingGather,
		report.FindingWindow, report.FindingStages, report.FindingFleetRate, report.FindingAssertion} {
		kinds[kind] = true
	}
	checkFields(t, "What the numbers mean", kinds, documentedFields(findings))
}
