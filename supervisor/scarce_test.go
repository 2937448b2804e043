package supervisor

import (
	"testing"
	"time"
)

// Clients can end, whatever is left.
func TestScarceRate(t *testing.T) {
	for _, tt := range []struct {
		left  int64
		drain time.Duration
		want  float64
	}{
		{60 << 20, 30 * time.Second, 1 << 20},
		{60 << 20, 0, 30 << 20}, // a second is the least that a drain is given
		{1 << 20, 30 * time.Second, leastScarce},
		{0, 30 * time.Second, leastScarce}, // the limit was lowered, and the journal is beyond it
	} {
		if got := scarceRate(tt.left, tt.drain); got != tt.want {
			t.Errorf("with %d left for %v: %v bytes a second; want %v", tt.left, tt.drain, got, tt.want)
		}
	}
}
