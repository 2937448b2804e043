package logline

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"testing"
	"time"
)

// Numbers are numbers with their units in the key, and every time is in UTC.
func TestJSON(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(JSON(&out, slog.LevelInfo))
	east := time.FixedZone("east", 2*60*60)
	log.With("grace", 1500*time.Millisecond).Info("hello", "written_bytes", uint64(1<<53+1),
		"since", time.Date(2026, 3, 2, 14, 0, 0, 0, east))
	var line map[string]any
	d := json.NewDecoder(&out)
	d.UseNumber()
	if err := d.Decode(&line); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{
		"grace_seconds": json.Number("1.5"), "written_bytes": json.Number("9007199254740993"),
		"since": "2026-03-02T12:00:00Z", "msg": "hello",
	} {
		if line[key] != want {
			t.Errorf("%s is %v; want %v", key, line[key], want)
		}
	}
	at, err := time.Parse(time.RFC3339Nano, line["time"].(string))
	if err != nil || at.Location() != time.UTC {
		t.Errorf("the time is %v (%v); want UTC", line["time"], err)
	}
}
