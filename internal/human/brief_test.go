package human

import (
	"testing"
	"time"
)

func TestBriefSize(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0B", 999: "999B", 1000: "1.0kB", 1 << 10: "1KiB", 64 << 20: "64MiB", 25_000_000: "25.0MB",
		10_000 << 20: "10.5GB", ^uint64(0): "18.4EB",
	} {
		if got := BriefSize(n); got != want {
			t.Errorf("BriefSize(%d) = %q; want %q", n, got, want)
		}
	}
}

func TestBriefDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		1234567: "1ms", 412345678: "412ms", 1449 * time.Millisecond: "1.4s", 28_400 * time.Millisecond: "28s",
	} {
		if got := BriefDuration(d); got != want {
			t.Errorf("BriefDuration(%d) = %q; want %q", d, got, want)
		}
	}
}

func TestInMegabytes(t *testing.T) {
	if got := InMegabytes(1_340_060_000); got != "1340.1 MB" {
		t.Errorf("InMegabytes = %q", got)
	}
	if got := InMegabytesPerSecond(149_000); got != "0.1 MB/s" {
		t.Errorf("InMegabytesPerSecond = %q", got)
	}
}

func TestLongDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 90 * time.Second: "1m30s", 2*day - time.Second: "47h59m59s", 2 * day: "2 days",
		15*day - time.Second: "14 days", 365 * day: "365 days", -3 * day: "-72h0m0s",
	} {
		if got := LongDuration(d); got != want {
			t.Errorf("LongDuration(%d) = %q; want %q", d, got, want)
		}
	}
}
