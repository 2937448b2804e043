package human

import (
	"testing"
	"time"
)

func TestLive(t *testing.T) {
	for nano, want := range map[int64]string{0: None, 999: "999ns", 999_900: "1.00ms", 340_000: "340µs",
		1_234_000: "1.23ms", 12_345_000_000: "12.3s", 400e9: "400s"} {
		if got := LiveLatency(nano); got != want {
			t.Errorf("LiveLatency(%d) = %q; want %q", nano, got, want)
		}
	}
	for d, want := range map[time.Duration]string{0: "00:00", 72 * time.Second: "01:12", 3723 * time.Second: "1:02:03",
		49 * time.Hour: "2d 01:00:00"} {
		if got := Clock(d); got != want {
			t.Errorf("Clock(%v) = %q; want %q", d, got, want)
		}
	}
	for n, want := range map[uint64]string{0: "0 B", 999: "999 B", 999_999: "1.00 MB", 1_340_000_000: "1.34 GB",
		18e18: "18.0 EB"} {
		if got := LiveSize(n); got != want {
			t.Errorf("LiveSize(%d) = %q; want %q", n, got, want)
		}
	}
}
