package spec

import (
	"testing"
	"time"

	"bulkhead/internal/workload"
)

func TestRamp(t *testing.T) {
	cfg := Config{Ramp: 10 * time.Second, Consumers: make([]workload.Consumer, 4)}
	cfg.Consumers[3].StartDelay = time.Second
	for i, want := range []time.Duration{0, 2500 * time.Millisecond, 5 * time.Second, 8500 * time.Millisecond} {
		if got := cfg.Begin(i); got != want {
			t.Errorf("consumer %d begins after %s; want %s", i, got, want)
		}
	}
	if got := cfg.AllBegun(); got != 8500*time.Millisecond {
		t.Errorf("all have begun after %s", got)
	}
}
