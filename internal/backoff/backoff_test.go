package backoff_test

import (
	"testing"
	"time"

	"bulkhead/internal/backoff"
)

func TestAfter(t *testing.T) {
	p := backoff.Policy{First: 100 * time.Millisecond, Most: time.Second}
	for _, tt := range []struct {
		failures int
		random   float64
		want     time.Duration
	}{
		{0, 0, 100 * time.Millisecond},
		{1, 0, 100 * time.Millisecond},
		{2, 0, 200 * time.Millisecond},
		{4, 0, 800 * time.Millisecond},
		{5, 0, time.Second},
		{1 << 30, 0, time.Second},
		{1, 0.5, 75 * time.Millisecond},
		{5, 0.5, 750 * time.Millisecond},
	} {
		if got := p.After(tt.failures, tt.random); got != tt.want {
			t.Errorf("After(%d, %v) = %v; want %v", tt.failures, tt.random, got, tt.want)
		}
	}
}
