package joined

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"bulkhead/internal/config"
	"bulkhead/internal/exitstatus"
)

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
