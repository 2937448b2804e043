package stories

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/story"
	"bulkhead/supervisor/report"
)

// What is written in pieces is what encoding/json writes, but for the lists of numbers,
// and reads back to the same.
func TestJSONIsWhatEncodingJSONWrites(t *testing.T) {
	for _, story := range story.Stories {
		r := folded.All(t, story.Write(t))
		_, got := rendered(t, r)
		var want, compacted bytes.Buffer
		e := json.NewEncoder(&want)
		e.SetEscapeHTML(false)
		if err := e.Encode(r); err != nil {
			t.Fatal(err)
		}
		if err := json.Compact(&compacted, got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.String(), compacted.String()+"\n"); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", story.Name, diff)
		}
		again, err := report.ReadJSON(bytes.NewReader(got))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(r, again) {
			t.Errorf("%s: reading it back gives another report:\n%s", story.Name, cmp.Diff(r, again))
		}
	}
}

func TestReadJSONRefusesWhatIsNoReport(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":      "",
		"another kind": `{"schema": "bulkhead.comparison/1"}`,
		"no object":    `[1]`,
		"uneven lists": `{"schema": "bulkhead.report/1", "series": {"interval_nano": 1, "intervals": 2, "total": {"bytes": [1]}}}`,
		"no interval":  `{"schema": "bulkhead.report/1", "series": {"intervals": 0, "total": {"bytes": [1]}}}`,
	} {
		if r, err := report.ReadJSON(bytes.NewReader([]byte(text))); err == nil {
			t.Errorf("%s: read as %+v", name, r)
		}
	}
	for _, bad := range []string{`"x"`, `-1`, `1.5`, `""`, `18446744073709551616`} {
		text := `{"schema": "bulkhead.report/2", "clients": [{"workload": {"consumers": [{"data": {"seed": ` + bad +
			`}}]}}]}`
		if r, err := report.ReadJSON(strings.NewReader(text)); err == nil {
			t.Errorf("seed %s: read as %+v", bad, r)
		}
	}
	old := `{"schema": "bulkhead.report/1", "run": {"id": "before there were series"}, "from_the_future": 1}`
	if _, err := report.ReadJSON(bytes.NewReader([]byte(old))); err != nil {
		t.Errorf("an older report: %v", err)
	}
}

// The type of a field never depends on its value: a seed is a string, whose digits no
// reader rounds, and a quantity is a number, of which all digits are written. Older reports
// have numbers for seeds.
func TestNumbersBeyondDoubles(t *testing.T) {
	const large = 1<<64 - 1
	for seed, want := range map[report.Seed]string{0: "0", 7: "7", 1<<53 + 1: "9007199254740993",
		large: "18446744073709551615"} {
		r := &report.Report{Schema: report.Schema,
			Clients: []report.Client{
				{Workload: report.Workload{Consumers: []report.Consumer{{Data: report.DataSpec{Seed: seed}}}},
					Writes: report.Writes{Bytes: uint64(seed)}}}}
		var out bytes.Buffer
		if err := r.JSON(&out); err != nil {
			t.Fatal(err)
		}
		if text := out.String(); !strings.Contains(text, `"seed": "`+want+`"`) ||
			!strings.Contains(text, `"bytes": `+want+",") {
			t.Errorf("%d: no string and number %s in\n%s", seed, want, text)
		}
		older := strings.NewReplacer(report.Schema, "bulkhead.report/1", `"seed": "`+want+`"`,
			`"seed": `+want).Replace(out.String())
		for _, text := range []string{out.String(), older} {
			got, err := report.ReadJSON(strings.NewReader(text))
			if err != nil || got.Clients[0].Workload.Consumers[0].Data.Seed != seed ||
				got.Clients[0].Bytes != uint64(seed) {
				t.Errorf("%d: read as %+v, %v", seed, got, err)
			}
		}
	}
}
