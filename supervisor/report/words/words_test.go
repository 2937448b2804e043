package words

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"bulkhead/internal/testing/story"
	"bulkhead/supervisor/report"
)

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
		if got := PathWritten(path); got != want {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
	}
}

func TestStamps(t *testing.T) {
	for _, s := range []report.Stamp{0, 1, report.Stamp(story.RunStart.UnixNano()), report.Stamp(report.MaxTime)} {
		data, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var back report.Stamp
		if err := json.Unmarshal(data, &back); err != nil || back != s {
			t.Errorf("%d became %s and %d (%v)", s, data, back, err)
		}
	}
	var s report.Stamp
	for _, bad := range []string{`5`, `"yesterday"`} {
		if err := json.Unmarshal([]byte(bad), &s); err == nil || !strings.Contains(err.Error(), "reading time") {
			t.Errorf("%s: error %v", bad, err)
		}
	}
	next := report.Stamp(story.RunStart.Add(24 * time.Hour).UnixNano())
	if got := TimeOfDay(report.Stamp(story.RunStart.UnixNano()), next); got != "2026-03-03 14:02:10.120" {
		t.Errorf("the next day is %q", got)
	}
}
