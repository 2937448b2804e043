package assertion

import (
	"strings"
	"testing"
	"time"
)

func TestWhatIsWatched(t *testing.T) {
	for text, want := range map[string]Assertion{
		"p99<50ms for 10s abort": {Name: "p99", Operator: "<", Limit: "50ms", Value: 50e6, For: 10 * time.Second,
			Abort: true},
		"throughput >= 500 MB/s for 1m": {Name: "throughput", Operator: ">=", Limit: "500MB/s", Value: 5e8,
			For: time.Minute},
		"stalled == 0 abort":       {Name: "stalled", Operator: "==", Limit: "0", Abort: true},
		"errors <= 3 for 1h abort": {Name: "errors", Operator: "<=", Limit: "3", Value: 3, For: time.Hour, Abort: true},
		"runtime >= 95%":           {Name: "runtime", Operator: ">=", Limit: "95%", Value: 95, Percent: true},
		"complete":                 {Name: "complete"},
	} {
		got, err := Parse(text)
		if err != nil || got != want {
			t.Errorf("%q = %+v, %v; want %+v", text, got, err, want)
		}
		if again, err := Parse(got.String()); err != nil || again != got {
			t.Errorf("%q reads back as %+v, %v", got, again, err)
		}
		if plain := got.Plain(); plain.Live() || plain.Name != got.Name || plain.Value != got.Value {
			t.Errorf("%q is plainly %q", got, plain)
		}
	}
}

func TestWhatCannotBeWatched(t *testing.T) {
	for text, want := range map[string]string{
		"p99 < 50ms abort": `"p99 < 50ms abort": at character 1: p99 needs a time for which it is watched, as in ` +
			"for 10s abort",
		"sync_p99 < 50ms for 10s": "sync_p99 is known at the end of a run, without for and abort; what can be " +
			"watched is p50, p90, p99, p999, max, mean, throughput, errors, stalled, missed",
		"stalled >= 1 abort":              "stalled only rises, so that it cannot be watched with >=; use <, <= or ==",
		"errors != 0 for 1s":              "errors only rises, so that it cannot be watched with !=; use <, <= or ==",
		"p99 == 1s for 1s":                "p99 cannot be watched with ==; use <, <=, > or >=",
		"throughput > 1MB/s for":          `at character 14: for needs a time, as in for 10s`,
		"throughput > 1MB/s for abort":    `for needs a time, as in for 10s`,
		"throughput > 1MB/s for 10":       `"10" is not a time to watch for; use 1s to 1h`,
		"throughput > 1MB/s for 999ms":    `"999ms" is not a time to watch for; use 1s to 1h`,
		"throughput > 1MB/s for 2h":       `"2h" is not a time to watch for; use 1s to 1h`,
		"throughput > 1MB/s abort for 1s": `at character 14: abort stands last, as in for 10s abort`,
		"complete abort":                  "complete is asserted alone, without a comparison",
		"p99 < abort":                     `"" is not a value of p99`,
	} {
		if a, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v, %v; want an error with %s", text, a, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"p99 < 50ms", "throughput > 500MB/s for 1m abort", "lost == 0", "bytes != 1 GiB",
		"p99 <", "=", "µ<", "stalled == 0 abort", "p99.9 < 1s for 1h0m0s", "for for for", "runtime > 9%"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := Parse(text)
		if err != nil {
			return
		}
		if again, err := Parse(a.String()); err != nil || again != a {
			t.Errorf("%q reads back as %q: %v", text, again, err)
		}
		of, known := Of(a.Name)
		if !known || a.Live() && (of.Live == AtEnd || of.Live != Rising && a.For == 0) ||
			a.For != 0 && (a.For < leastFor || a.For > mostFor) {
			t.Errorf("%q is %+v", text, a)
		}
		want := a.Operator == "" || a.Operator != "!=" && strings.HasSuffix(a.Operator, "=")
		if a.Keeps(a.Value) != want {
			t.Errorf("%q is kept by its own limit: %v", text, !want)
		}
	})
}
