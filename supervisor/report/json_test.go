package report

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What is written in pieces is what encoding/json writes, but for the lists of numbers,
// and reads back to the same.
func TestJSONIsWhatEncodingJSONWrites(t *testing.T) {
	for _, story := range stories {
		r := foldAll(t, story.write(t))
		_, got := render(t, r)
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
			t.Errorf("%s: (-want +got):\n%s", story.name, diff)
		}
		again, err := ReadJSON(bytes.NewReader(got))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(r, again) {
			t.Errorf("%s: reading it back gives another report:\n%s", story.name, cmp.Diff(r, again))
		}
	}
}

// Nothing is joined that is not a list of numbers, whatever texts say.
func TestJoinNumbers(t *testing.T) {
	for before, want := range map[string]string{
		"{\n  \"a\": [\n    1,\n    -2.5,\n    3\n  ]\n}": "{\n  \"a\": [1, -2.5, 3]\n}",
		"[\n  \"[\",\n  \"7\"\n]":                         "[\n  \"[\",\n  \"7\"\n]",
		"[\n  {\n    \"x\": 1\n  }\n]":                    "[\n  {\n    \"x\": 1\n  }\n]",
		"[\n  [\n    1\n  ],\n  [\n    2\n  ]\n]":         "[\n  [1],\n  [2]\n]",
		"7": "7",
		"":  "",
	} {
		if got := string(joinNumbers([]byte(before))); got != want {
			t.Errorf("%q became %q, want %q", before, got, want)
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
		if r, err := ReadJSON(bytes.NewReader([]byte(text))); err == nil {
			t.Errorf("%s: read as %+v", name, r)
		}
	}
	for _, bad := range []string{`"x"`, `-1`, `1.5`, `""`, `18446744073709551616`} {
		text := `{"schema": "bulkhead.report/2", "clients": [{"workload": {"consumers": [{"data": {"seed": ` + bad + `}}]}}]}`
		if r, err := ReadJSON(strings.NewReader(text)); err == nil {
			t.Errorf("seed %s: read as %+v", bad, r)
		}
	}
	old := `{"schema": "bulkhead.report/1", "run": {"id": "before there were series"}, "from_the_future": 1}`
	if _, err := ReadJSON(bytes.NewReader([]byte(old))); err != nil {
		t.Errorf("an older report: %v", err)
	}
}

// The type of a field never depends on its value: a seed is a string, whose digits no
// reader rounds, and a quantity is a number, of which all digits are written. Older reports
// have numbers for seeds.
func TestNumbersBeyondDoubles(t *testing.T) {
	const large = 1<<64 - 1
	for seed, want := range map[Seed]string{0: "0", 7: "7", 1<<53 + 1: "9007199254740993", large: "18446744073709551615"} {
		r := &Report{Schema: Schema, Clients: []Client{{Workload: Workload{Consumers: []Consumer{{Data: DataSpec{Seed: seed}}}}, Writes: Writes{Bytes: uint64(seed)}}}}
		var out bytes.Buffer
		if err := r.JSON(&out); err != nil {
			t.Fatal(err)
		}
		if text := out.String(); !strings.Contains(text, `"seed": "`+want+`"`) || !strings.Contains(text, `"bytes": `+want+",") {
			t.Errorf("%d: no string and number %s in\n%s", seed, want, text)
		}
		older := strings.NewReplacer(Schema, "bulkhead.report/1", `"seed": "`+want+`"`, `"seed": `+want).Replace(out.String())
		for _, text := range []string{out.String(), older} {
			got, err := ReadJSON(strings.NewReader(text))
			if err != nil || got.Clients[0].Workload.Consumers[0].Data.Seed != seed || got.Clients[0].Bytes != uint64(seed) {
				t.Errorf("%d: read as %+v, %v", seed, got, err)
			}
		}
	}
}
