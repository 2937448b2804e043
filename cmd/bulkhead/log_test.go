package main

import (
	"bytes"
	"log/slog"
	"regexp"
	"testing"
	"time"

	"bulkhead/internal/config"
	"bulkhead/internal/sink"
)

// A line for people has a date and a zone, and sizes and rates in units that they read.
func TestTextLog(t *testing.T) {
	var out bytes.Buffer
	errs := sink.New(&out)
	log := newLogger(config.Log{Format: "text", Level: slog.LevelInfo}, errs)
	log.Info("progress", "written_bytes", uint64(6_668_900_000), "rate_bytes_per_second", 1_667.2e6,
		"left", 90*time.Second)
	errs.Flush()
	want := regexp.MustCompile(
		`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INF progress written="6668.9 MB" rate="1667.2 MB/s" left=1m30s\n$`)
	if !want.MatchString(out.String()) {
		t.Errorf("the line is %q", out.String())
	}
}
