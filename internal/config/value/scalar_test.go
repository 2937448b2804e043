package value

import (
	"testing"
	"time"

	"bulkhead/internal/human"
)

func TestFormatDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", time.Second: "1s", 90 * time.Second: "1m30s", time.Minute: "1m", 10 * time.Minute: "10m",
		time.Hour:      "1h",
		24 * time.Hour: "24h", time.Hour + time.Second: "1h0m1s", 90 * time.Minute: "1h30m",
		1500 * time.Millisecond:       "1.5s",
		10*time.Hour + 10*time.Second: "10h0m10s",
	} {
		got := human.ExactDuration(d)
		if got != want {
			t.Errorf("human.ExactDuration(%d) = %s; want %s", d, got, want)
		}
		if back, err := ParseDuration(got); err != nil || back != d {
			t.Errorf("ParseDuration(%s) = %v, %v; want %v", got, back, err, d)
		}
	}
}
