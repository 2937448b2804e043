package report

import (
	"bytes"
	"io"
	"math"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"bulkhead/internal/latency"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// loaded is a run of one client that wrote rate MB/s for a minute, with latencies around
// slow; both vary by chance.
func loaded(t testing.TB, seed uint64, rate float64, slow time.Duration) *Report {
	s := newStory(t, 1)
	a := s.arrive("a", 1, 1, 4001, 0)
	random := rand.New(rand.NewPCG(seed, 77))
	for n := 1; n <= 60; n++ {
		var h latency.Histogram
		for range 200 {
			h.Add(time.Duration(float64(slow)*math.Exp(0.4*random.NormFloat64())), 1)
		}
		m := a.at(time.Duration(n)*time.Second).progress(0, 0, 0, "")
		m.GetProgress().ChunkWrite = h.Proto()
		m.GetProgress().Bytes = uint64(1e6 * rate * (1 + 0.04*random.NormFloat64()))
		a.say(m)
	}
	a.end(bulkheadv1.Outcome_OUTCOME_CLOSED, "")
	s.ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
	return foldAll(t, s.records)
}

func figureNamed(c *Comparison, name string) Compared {
	for _, f := range c.Figures {
		if f.Name == name {
			return f
		}
	}
	return Compared{}
}

func TestCompareNamesWhatIsSignificant(t *testing.T) {
	before := loaded(t, 1, 500, time.Millisecond)
	worse := Compare(before, loaded(t, 2, 440, 1300*time.Microsecond))
	if f := figureNamed(worse, "throughput"); !f.Significant || f.Better || math.Abs(f.ChangePercent+12) > 2 || *f.P > 1e-6 {
		t.Errorf("throughput %+v, p %v", f, *f.P)
	}
	if f := figureNamed(worse, "p50"); !f.Significant || f.Better || math.Abs(f.ChangePercent-30) > 3 {
		t.Errorf("p50 %+v", f)
	}
	// The spread is that of what is tested: of logarithms, as far below as above; of rates, the deviation.
	if s := figureNamed(worse, "p99").A; s.Low >= s.Mean || math.Abs(s.Mean/s.Low-s.High/s.Mean) > 0.001 {
		t.Errorf("p99 %+v", s)
	}
	if s := figureNamed(worse, "throughput").A; math.Abs(s.Mean-s.Deviation-s.Low) > 1 || math.Abs(s.Mean+s.Deviation-s.High) > 1 || s.Deviation == 0 {
		t.Errorf("throughput %+v", s)
	}
	better := Compare(loaded(t, 2, 440, 1300*time.Microsecond), before)
	if f := figureNamed(better, "throughput"); !f.Significant || !f.Better {
		t.Errorf("throughput the other way round %+v", f)
	}
	if !strings.HasPrefix(worse.Summary, "significantly different in B: throughput -1") || !strings.Contains(better.Summary, "p50 -2") {
		t.Errorf("summaries %q, %q", worse.Summary, better.Summary)
	}
	// Sure, but too small to matter.
	small := Compare(before, loaded(t, 3, 511, time.Millisecond))
	if f := figureNamed(small, "throughput"); f.Significant {
		t.Errorf("2 %% are significant: %+v", f)
	}
}

// Of two hundred pairs of runs that are alike, about one in a hundred may differ by chance.
func TestCompareFindsNothingBetweenTheSame(t *testing.T) {
	wrong := 0
	random := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		a, b := make([]float64, 40), make([]float64, 60)
		for _, list := range [][]float64{a, b} {
			last := 0.0
			for i := range list {
				last = 0.5*last + random.NormFloat64() // neighbours are alike
				list[i] = 100 + last
			}
		}
		if welch(a, b) < significantP {
			wrong++
		}
	}
	if wrong > 60 {
		t.Errorf("%d of 2000 alike are told apart, want about 20", wrong)
	}
	if c := Compare(loaded(t, 1, 500, time.Millisecond), loaded(t, 9, 500, time.Millisecond)); c.Summary != "no significant difference" {
		t.Errorf("two runs of the same: %s", c.Summary)
	}
}

// Textbook values: samples with a known t and freedom, without neighbours alike.
func TestWelchIsStudents(t *testing.T) {
	// Means 3 and 5, variances 2.5 and 2.5, n 5 each: t = -2, 8 degrees of freedom.
	a, b := []float64{1, 5, 2, 4, 3}, []float64{3, 7, 4, 6, 5}
	if got := welch(a, b); math.Abs(got-0.0805) > 0.0005 {
		t.Errorf("p = %v, want 0.0805", got)
	}
	same := []float64{7, 7, 7, 7, 7}
	if p := welch(same, same); p != 1 {
		t.Errorf("the same without spread: p = %v", p)
	}
	if p := welch(same, []float64{8, 8, 8, 8, 8}); p != 0 {
		t.Errorf("different without spread: p = %v", p)
	}
	if p := welch(same[:4], same); !math.IsNaN(p) {
		t.Errorf("four values: p = %v", p)
	}
}

func TestCompareSaysWhatWasConfiguredDifferently(t *testing.T) {
	a, b := loaded(t, 1, 500, time.Millisecond), loaded(t, 1, 500, time.Millisecond)
	b.Clients[0].Workload.Consumers[1].ChunkSizeBytes = 4 * mib
	b.Run.JournalSync = "none"
	c := Compare(a, b)
	got := make(map[string]Difference)
	for _, d := range c.Configured {
		got[d.Name] = d
	}
	if len(got) != 2 || got["journal sync"].B != "none" || got["chunk size"].A != "1 MiB" || got["chunk size"].B != "1 MiB, 4 MiB" {
		t.Errorf("configured differently: %+v", c.Configured)
	}
	if c.Summary != "no significant difference; but 2 settings differ" {
		t.Errorf("summary %q", c.Summary)
	}
}

// Runs of which there is little to compare are compared as far as it goes, and it is said.
func TestCompareLittle(t *testing.T) {
	full := loaded(t, 1, 500, time.Millisecond)
	old := loaded(t, 1, 500, time.Millisecond)
	old.Series = nil
	for name, other := range map[string]*Report{"without series": old, "empty": foldAll(t, emptyRun(t)), "nothing": {}} {
		for _, c := range []*Comparison{Compare(full, other), Compare(other, full), Compare(other, other)} {
			if !strings.HasPrefix(c.Summary, "the runs are too short") || len(c.Notes) == 0 {
				t.Errorf("%s: %q, notes %v", name, c.Summary, c.Notes)
			}
			for _, write := range []func(io.Writer) error{c.Text, c.Markdown, c.JSON} {
				if data := written(t, write); bytes.Contains(data, []byte("NaN")) || bytes.Contains(data, []byte("Inf")) {
					t.Errorf("%s: a number that is none in\n%s", name, data)
				}
			}
		}
	}
}

// What is read from a file is compared or refused, whatever it is.
func FuzzCompare(f *testing.F) {
	f.Add(written(f, (&Report{Schema: Schema, Clients: []Client{{Label: "a"}}, Series: &Series{}}).JSON))
	f.Add([]byte(`{"schema":"bulkhead.report/1","series":{"interval_nano":1,"intervals":1,"total":{"bytes":[1],"chunks":[0],"errors":[0],"rollovers":[0],"p50_nano":[-1],"p99_nano":[9],"p999_nano":[0],"max_nano":[-9223372036854775808]}}}`))
	own := loaded(f, 1, 500, time.Millisecond)
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ReadJSON(bytes.NewReader(data))
		if err != nil {
			return
		}
		for _, c := range []*Comparison{Compare(own, r), Compare(r, own)} {
			for _, write := range []func(io.Writer) error{c.Text, c.Markdown, c.JSON} {
				if err := write(io.Discard); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

func TestPathWritten(t *testing.T) {
	for path, want := range map[string]string{
		"/mnt/data/bulkhead-alpha-0a1b2c3d/consumer-0": "/mnt/data",
		"load/bulkhead-x/consumer-12":                  "load",
		"bulkhead-x/consumer-0":                        ".",
		"/bulkhead-x/consumer-0":                       "/",
		"/mnt/data/consumer-0":                         "/mnt/data/consumer-0",
		"/mnt/bulkhead-x/data":                         "/mnt/bulkhead-x/data",
		"":                                             "",
	} {
		if got := pathWritten(path); got != want {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
	}
}

// Which intervals are compared is said on the same axis as everything else: since the start
// of the run, however long it waited for its first client.
func TestComparedIntervalsAreSinceTheStartOfTheRun(t *testing.T) {
	r := foldAll(t, idle(t, 12*time.Minute, 0))
	steady := steadyState(r)[0].Text
	from := regexp.MustCompile(`from (\+12m\d\ds) on`).FindStringSubmatch(steady)
	if from == nil {
		t.Fatalf("the run says %q", steady)
	}
	if got := Compare(r, r).A.Window; !strings.HasPrefix(got, "steady, "+from[1]+" … +12m") {
		t.Errorf("compared are %q; the finding is %q", got, steady)
	}
}
