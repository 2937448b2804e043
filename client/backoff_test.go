package client

import (
	"testing"
	"time"
)

func TestBackoff(t *testing.T) {
	tests := []struct {
		failed      int
		least, most time.Duration
	}{
		{1, 100 * time.Millisecond, 200 * time.Millisecond},
		{2, 200 * time.Millisecond, 400 * time.Millisecond},
		{5, 1600 * time.Millisecond, 3200 * time.Millisecond},
		{6, 2500 * time.Millisecond, 5 * time.Second},
		{1 << 40, 2500 * time.Millisecond, 5 * time.Second},
	}
	for _, test := range tests {
		if got := backoff(test.failed, 0); got != test.most {
			t.Errorf("backoff(%d, 0) = %s; want %s", test.failed, got, test.most)
		}
		if got := backoff(test.failed, 0.999999999999); got < test.least || got > test.least+time.Millisecond {
			t.Errorf("backoff(%d, ~1) = %s; want about %s", test.failed, got, test.least)
		}
	}
}
