package joined

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"bulkhead/internal/config"
	"bulkhead/internal/exitstatus"
)

// The supervisor of a folder has its name before it joins, and keeps it; a folder of a version before this
// gets one.
func TestASupervisorHasANameBeforeItJoins(t *testing.T) {
	dir := t.TempDir()
	first, err := mark(dir)
	if err != nil || first.Instance == "" || first.Supervisor != 0 || !IsOn(dir) {
		t.Fatalf("at first: %+v: %v", first, err)
	}
	if again, err := mark(dir); err != nil || again != first {
		t.Errorf("again: %+v: %v; want %+v", again, err, first)
	}
	if err := os.WriteFile(filepath.Join(dir, File), []byte(`{"supervisor":3}`), 0o600); err != nil {
		t.Fatal(err)
	}
	old, err := mark(dir)
	if err != nil || old.Supervisor != 3 || old.Instance == "" || old.Instance == first.Instance {
		t.Errorf("of a version before: %+v: %v", old, err)
	}
}

// With tls:// nothing is said to any node without TLS.
func TestTheSchemeCountsForAllNodes(t *testing.T) {
	for url, want := range map[string]string{
		"tls://a,b:1, c":               "[tls://a:4222 tls://b:1 tls://c:4222]",
		"nats://a:4222,nats://b:4222,": "[nats://a:4222 nats://b:4222]",
		"a b":                          "[nats://a:4222 nats://b:4222]",
	} {
		e, err := New(config.Journal{URL: url}, 0, slog.New(slog.DiscardHandler))
		if err != nil || fmt.Sprint(e.urls) != want {
			t.Errorf("%q: %v: %v; want %s", url, e, err, want)
		}
	}
	if _, err := New(config.Journal{URL: "http://a"}, 0, slog.New(slog.DiscardHandler)); !errors.Is(err,
		exitstatus.ErrConfig) {
		t.Errorf("http: %v", err)
	}
}
