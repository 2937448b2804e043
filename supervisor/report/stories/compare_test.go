package stories

import (
	"bytes"
	"io"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/story"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/compare"
	"bulkhead/supervisor/report/judge"
)

func figureNamed(c *compare.Comparison, name string) compare.Compared {
	for _, f := range c.Figures {
		if f.Name == name {
			return f
		}
	}
	return compare.Compared{}
}

func TestCompareNamesWhatIsSignificant(t *testing.T) {
	before := folded.All(t, story.Loaded(t, 1, 500, time.Millisecond))
	worse := compare.Reports(before, folded.All(t, story.Loaded(t, 2, 440, 1300*time.Microsecond)))
	if f := figureNamed(worse, "throughput"); !f.Significant || f.Better || math.Abs(f.ChangePercent+12) > 2 ||
		*f.P > 1e-6 {
		t.Errorf("throughput %+v, p %v", f, *f.P)
	}
	if f := figureNamed(worse, "p50"); !f.Significant || f.Better || math.Abs(f.ChangePercent-30) > 3 {
		t.Errorf("p50 %+v", f)
	}
	// The spread is that of what is tested: of logarithms, as far below as above; of rates, the deviation.
	if s := figureNamed(worse, "p99").A; s.Low >= s.Mean || math.Abs(s.Mean/s.Low-s.High/s.Mean) > 0.001 {
		t.Errorf("p99 %+v", s)
	}
	if s := figureNamed(worse, "throughput").A; math.Abs(s.Mean-s.Deviation-s.Low) > 1 ||
		math.Abs(s.Mean+s.Deviation-s.High) > 1 || s.Deviation == 0 {
		t.Errorf("throughput %+v", s)
	}
	better := compare.Reports(folded.All(t, story.Loaded(t, 2, 440, 1300*time.Microsecond)), before)
	if f := figureNamed(better, "throughput"); !f.Significant || !f.Better {
		t.Errorf("throughput the other way round %+v", f)
	}
	if !strings.HasPrefix(worse.Summary, "significantly different in B: throughput -1") ||
		!strings.Contains(better.Summary, "p50 -2") {
		t.Errorf("summaries %q, %q", worse.Summary, better.Summary)
	}
	// Sure, but too small to matter.
	small := compare.Reports(before, folded.All(t, story.Loaded(t, 3, 511, time.Millisecond)))
	if f := figureNamed(small, "throughput"); f.Significant {
		t.Errorf("2 %% are significant: %+v", f)
	}
}

func TestCompareSaysWhatWasConfiguredDifferently(t *testing.T) {
	a, b := folded.All(t, story.Loaded(t, 1, 500, time.Millisecond)), folded.All(t,
		story.Loaded(t, 1, 500, time.Millisecond))
	b.Clients[0].Workload.Consumers[1].ChunkSizeBytes = 4 * story.Mib
	b.Run.JournalSync = "none"
	c := compare.Reports(a, b)
	got := make(map[string]compare.Difference)
	for _, d := range c.Configured {
		got[d.Name] = d
	}
	if len(got) != 2 || got["journal sync"].B != "none" || got["chunk size"].A != "1 MiB" ||
		got["chunk size"].B != "1 MiB, 4 MiB" {
		t.Errorf("configured differently: %+v", c.Configured)
	}
	if c.Summary != "no significant difference; but 2 settings differ" {
		t.Errorf("summary %q", c.Summary)
	}
}

// Runs of which there is little to compare are compared as far as it goes, and it is said.
func TestCompareLittle(t *testing.T) {
	full := folded.All(t, story.Loaded(t, 1, 500, time.Millisecond))
	old := folded.All(t, story.Loaded(t, 1, 500, time.Millisecond))
	old.Series = nil
	for name, other := range map[string]*report.Report{"without series": old, "empty": folded.All(t, story.EmptyRun(t)),
		"nothing": {}} {
		for _, c := range []*compare.Comparison{compare.Reports(full, other), compare.Reports(other, full),
			compare.Reports(other, other)} {
			if !strings.HasPrefix(c.Summary, "the runs are too short") || len(c.Notes) == 0 {
				t.Errorf("%s: %q, notes %v", name, c.Summary, c.Notes)
			}
			for _, write := range []func(io.Writer) error{c.Text, c.Markdown, c.JSON} {
				if data := written(t, write); bytes.Contains(data, []byte("NaN")) ||
					bytes.Contains(data, []byte("Inf")) {
					t.Errorf("%s: a number that is none in\n%s", name, data)
				}
			}
		}
	}
}

// What is read from a file is compared or refused, whatever it is.
func FuzzCompare(f *testing.F) {
	f.Add(written(f,
		(&report.Report{Schema: report.Schema, Clients: []report.Client{{Label: "a"}}, Series: &report.Series{}}).JSON))
	f.Add(
		[]byte(
			`{"schema":"bulkhead.report/1","series":{"interval_nano":1,"intervals":1,"total":{"bytes":[1],"chunks":[0],"errors":[0],"rollovers":[0],"p50_nano":[-1],"p99_nano":[9],"p999_nano":[0],"max_nano":[-9223372036854775808]}}}`))
	own := folded.All(f, story.Loaded(f, 1, 500, time.Millisecond))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := report.ReadJSON(bytes.NewReader(data))
		if err != nil {
			return
		}
		for _, c := range []*compare.Comparison{compare.Reports(own, r), compare.Reports(r, own)} {
			for _, write := range []func(io.Writer) error{c.Text, c.Markdown, c.JSON} {
				if err := write(io.Discard); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// Which intervals are compared is said on the same axis as everything else: since the start
// of the run, however long it waited for its first client.
func TestComparedIntervalsAreSinceTheStartOfTheRun(t *testing.T) {
	r := folded.All(t, story.Idle(t, 12*time.Minute, 0))
	steady := judge.SteadyState(r)[0].Text
	from := regexp.MustCompile(`from (\+12m\d\ds) on`).FindStringSubmatch(steady)
	if from == nil {
		t.Fatalf("the run says %q", steady)
	}
	if got := compare.Reports(r, r).A.Window; !strings.HasPrefix(got, "common window, steady, "+from[1]+" … +12m") {
		t.Errorf("compared are %q; the finding is %q", got, steady)
	}
}
