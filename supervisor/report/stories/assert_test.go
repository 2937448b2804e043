package stories

import (
	"strings"
	"testing"

	"bulkhead/internal/assertion"
	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/story"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/judge"
)

func TestAssertions(t *testing.T) {
	r := folded.All(t, story.Disturbed(t)) // p99 25.6 ms, 67.2 MB/s, 3 errors, 1 lost, 2 rejected
	empty := folded.All(t, story.EmptyRun(t))
	tests := []struct {
		text  string
		of    *report.Report
		holds bool
		value string
	}{
		{"p99 < 50ms", r, true, "25.6ms"},
		{"p99<25ms", r, false, "25.6ms"},
		{"  p50 >= 300us ", r, true, "346µs"},
		{"p999 <= 38.7ms", r, true, "38.7ms"},
		{"p99.9 <= 38.7ms", r, true, "38.7ms"},
		{"response_p99.9 < 1s", r, false, "not known: no consumer had a rate"},
		{"max > 1s", r, false, "39.6ms"},
		{"mean < 1ms", r, true, "796µs"},
		{"throughput > 500MB/s", r, false, "67.2 MB/s"},
		{"throughput > 60 MB/s", r, true, "67.2 MB/s"},
		{"throughput < 65MiB/s", r, true, "67.2 MB/s"},
		{"bytes >= 1GB", r, true, "1.34 GB"},
		{"bytes != 0", r, true, "1.34 GB"},
		{"files == 19", r, true, "19"},
		{"errors == 0", r, false, "3"},
		{"errors != 3", r, false, "3"},
		{"lost == 0", r, false, "1"},
		{"lost <= 1", r, true, "1"},
		{"closed == 2", r, true, "2"},
		{"rejected == 2", r, true, "2"},
		{"quarantined == 0", r, true, "0"},
		{"resumes < 1", r, false, "1"},
		{"clients >= 3", r, true, "3"},
		{"stalled == 3", r, true, "3"},
		{"missed > 4", r, false, "4"},
		{"p99 < 50ms", empty, false, "not known: nothing was written"},
		{"p99 > 0s", empty, false, "not known: nothing was written"},
		{"throughput < 1GB/s", empty, false, "not known: nothing was written"},
		{"bytes == 0", empty, true, "0 B"},
		{"clients == 0", empty, true, "0"},
		{"lost == 0", empty, true, "0"},
		{"absent == 0", empty, false, "2"},
		{"absent <= 1", r, true, "1"},
	}
	for _, test := range tests {
		a, err := assertion.Parse(test.text)
		if err != nil {
			t.Errorf("%q: %v", test.text, err)
			continue
		}
		if got := judge.Check(test.of, a); got.Holds != test.holds || got.Value != test.value {
			t.Errorf("%q: %v, %q; want %v, %q", test.text, got.Holds, got.Value, test.holds, test.value)
		}
		if again, err := assertion.Parse(a.String()); err != nil || again.String() != a.String() {
			t.Errorf("%q reads back as %q, %v", a, again, err)
		}
	}
}

func TestBadAssertionsSayWhere(t *testing.T) {
	for text, want := range map[string]string{
		"":                  `"": at character 1: "" is nothing to assert; use p50, p90, p99,`,
		"latency < 5ms":     `"latency < 5ms": at character 1: "latency" is nothing to assert; use p50,`,
		"  µs < 5ms":        `at character 3: "µs" is nothing`,
		"p99":               `"p99": at character 4: a comparison is missing; use <, <=, >, >=, == or !=`,
		"p99 5ms":           `at character 5: a comparison is missing`,
		"p99 = 5ms":         `at character 5: a comparison is missing`,
		"p99 <":             `at character 6: "" is not a value of p99; use a duration such as 50ms`,
		"p99 < 50":          `at character 7: "50" is not a value of p99; use a duration such as 50ms`,
		"p99 < -5ms":        `"-5ms" is not a value of p99`,
		"p99 =< 5ms":        `at character 5: a comparison is missing`,
		"p99 << 5ms":        `at character 6: "<5ms" is not a value`,
		"throughput > 5MB":  `at character 14: "5MB" is not a value of throughput; use a size per second such as 500MB/s`,
		"throughput > 5x/s": `at character 14: "5x/s" is not`,
		"bytes > 10":        `use a size such as 10GB`,
		"lost == -1":        `"-1" is not a value of lost; use a whole number`,
		"lost == 0.5":       `use a whole number`,
		"lost == 0 and 1":   `"0and1" is not a value of lost`,
	} {
		if a, err := assertion.Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want an error with %s", text, a, err, want)
		}
	}
}
