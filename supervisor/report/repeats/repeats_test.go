package repeats

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"bulkhead/supervisor/report"
)

// of returns the report of a run with this throughput, a p99 and errors.
func of(word report.Word, throughput uint64, p99 int64, errors uint64) *report.Report {
	r := &report.Report{Verdict: report.Verdict{Word: word}}
	r.Run.ID = fmt.Sprint("run-", throughput)
	r.Run.Job = &report.Job{Name: "nightly", Of: 5}
	r.Totals.Bytes, r.Totals.BytesPerSecond, r.Totals.Errors = 1, throughput, errors
	r.Totals.ChunkWrite = report.Latency{Count: 1, P50Nano: 1e6, P99Nano: p99, P999Nano: 2 * p99}
	if word != report.WordComplete {
		r.Verdict.Reasons = []string{"a client was lost"}
	}
	return r
}

func sum(asked uint32, failure string, reports ...*report.Report) *Summary {
	var runs []Run
	for i, r := range reports {
		runs = append(runs, Of(r, uint32(i+1)))
	}
	return Sum(runs, asked, failure)
}

func figureOf(t *testing.T, s *Summary, name string) Figure {
	t.Helper()
	for _, f := range s.Figures {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("there is no %s", name)
	return Figure{}
}

const complete = report.WordComplete

func TestSpread(t *testing.T) {
	s := sum(5, "", of(complete, 100e6, 5e6, 0), of(complete, 104e6, 5e6, 0), of(complete, 96e6, 5e6, 2),
		of(complete, 50e6, 9e6, 0), of(report.WordPartial, 900e6, 90e6, 0))
	f := figureOf(t, s, "throughput")
	if f.Runs != 4 || f.Median != 98e6 || f.Least != 50e6 || f.LeastRun != 4 || f.Most != 104e6 || f.MostRun != 2 {
		t.Errorf("throughput is %+v", f)
	}
	if f.VariationPercent == nil || *f.VariationPercent != 28.8 { // by hand: 25.2e6 of 87.5e6
		t.Errorf("variation is %v", f.VariationPercent)
	}
	if len(f.Values) != 5 || *f.Values[4] != 900e6 {
		t.Errorf("values are %v", f.Values)
	}
	if !slices.Equal(f.Outliers, []uint32{4}) || !slices.Equal(s.Runs[3].Outlier, []string{"throughput", "p99"}) {
		t.Errorf("outliers are %v, of run 4 %v", f.Outliers, s.Runs[3].Outlier)
	}
	if f := figureOf(t, s, "errors"); f.Most != 2 || f.MostRun != 3 || len(f.Outliers) > 0 {
		t.Errorf("errors are %+v", f)
	}
	if want := "5 runs, 4 complete; run 5 is PARTIAL; run 4 is unlike the others (throughput, p99)"; s.Text != want {
		t.Errorf("text is %q; want %q", s.Text, want)
	}
	if s.Job != "nightly" || s.Complete() || s.Runs[4].Compared || s.Runs[4].Reason != "a client was lost" {
		t.Errorf("summary is %+v", s)
	}
}

// Each stage that is reported has figures over the runs that have it, by its name, whatever its place.
func TestStagesOverRuns(t *testing.T) {
	var list []*report.Report
	for i, peak := range []uint64{100e6, 101e6, 99e6, 300e6} {
		r := of(complete, 100e6, 5e6, 0)
		r.Stages = []report.Stage{
			{Name: "fill", Bytes: 9, BytesPerSecond: 900e6, Told: report.StageSpec{Unreported: true}},
			{Name: "peak", Bytes: 9, BytesPerSecond: peak, ChunkWrite: report.Latency{Count: 1, P99Nano: 5e6}},
			{Name: "never"},
		}
		if i == 2 {
			r.Stages[1], r.Stages[2] = r.Stages[2], r.Stages[1]
		}
		if i == 3 {
			r.Stages = append(r.Stages, report.Stage{Name: "curve 10%", Bytes: 9, BytesPerSecond: 10e6,
				Response: &report.Latency{Count: 1, P99Nano: 7e6}})
		}
		list = append(list, r)
	}
	s := sum(4, "", list...)
	if f := figureOf(t, s, "peak throughput"); f.Median != 100.5e6 || f.Runs != 4 ||
		!slices.Equal(f.Outliers, []uint32{4}) {
		t.Errorf("%+v", f)
	}
	if f := figureOf(t, s, "curve 10% response p99"); f.Median != 7e6 || f.Runs != 1 || f.Values[0] != nil {
		t.Errorf("%+v", f)
	}
	for _, f := range s.Figures {
		if strings.HasPrefix(f.Name, "fill") || strings.HasPrefix(f.Name, "never") {
			t.Errorf("there is %q", f.Name)
		}
	}
}

// What is missing is said, and is no figure.
func TestWhatIsMissing(t *testing.T) {
	s := Sum([]Run{Missing("gone", "it holds\nno journal", 1)}, 3, "no agent is connected")
	if s.Text != "1 of 3 runs, 0 complete; run 1 has no report" || len(s.Figures) != 0 || s.Runs[0].Reason == "" ||
		strings.Contains(s.Runs[0].Reason, "\n") {
		t.Errorf("summary is %+v", s)
	}
	if !slices.Contains(s.Notes, "1 of 3 runs were begun: no agent is connected") {
		t.Errorf("notes are %q", s.Notes)
	}
	s = sum(2, "", of(report.WordInterrupted, 5e6, 1, 0), of(report.WordPartial, 7e6, 1, 0))
	if f := figureOf(t, s, "throughput"); f.Runs != 2 || f.Median != 6e6 {
		t.Errorf("figures of runs that are not complete: %+v", f)
	}
	if len(s.Notes) != 2 || !strings.HasPrefix(s.Notes[0], "no run is complete") {
		t.Errorf("notes are %q", s.Notes)
	}
	if s := sum(1, "", of(complete, 5e6, 1, 0)); figureOf(t, s, "p99").VariationPercent != nil || !s.Complete() {
		t.Errorf("one run: %+v", s)
	}
}

func TestOutliers(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		want   []int
	}{
		{[]float64{1, 1, 100}, nil}, // too few to tell
		{[]float64{100, 101, 99, 100}, nil},
		{[]float64{100, 100, 100, 105}, nil}, // alike enough
		{[]float64{100, 100, 100, 150}, []int{3}},
		{[]float64{100, 110, 90, 120, 80}, nil},
		{[]float64{100, 102, 98, 101, 10, 300}, []int{4, 5}},
		{[]float64{0, 0, 0, 0}, nil},
	} {
		var got []int
		for i, is := range outliers(tt.values) {
			if is {
				got = append(got, i)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("of %v outliers are %v; want %v", tt.values, got, tt.want)
		}
	}
}

func TestTextAndJSON(t *testing.T) {
	s := sum(2, "", of(complete, 100e6, 5e6, 0), of(complete, 104e6, 5e6, 0))
	var text, data bytes.Buffer
	if err := s.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"JOB nightly: 2 runs, 2 complete\n",
		"throughput  102.0 MB/s  100.0 MB/s    1  104.0 MB/s    2      2.8 %"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not in\n%s", want, &text)
		}
	}
	if err := s.WriteJSON(&data); err != nil {
		t.Fatal(err)
	}
	var back Summary
	if err := json.Unmarshal(data.Bytes(), &back); err != nil || back.Schema != Schema || len(back.Figures) == 0 {
		t.Errorf("%v: %+v", err, back)
	}
}

// docs/report.md names every field of the JSON.
func TestDocsNameEveryField(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "report.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(data), "\n## Runs together\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for _, of := range []any{Summary{}, Run{}, Figure{}} {
		for f := range reflect.TypeOf(of).Fields() {
			if name := f.Tag.Get("json"); name != "" && name != "schema" && !strings.Contains(section, "`"+name+"`") {
				t.Errorf("docs/report.md lacks %s", name)
			}
		}
	}
}
