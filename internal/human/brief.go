package human

import (
	"fmt"
	"time"
)

// BriefSize returns an amount of bytes without a space: exact when a binary unit divides it
// ("64MiB"), otherwise rounded to one decimal ("1.5GB").
func BriefSize(n uint64) string {
	for _, u := range []struct {
		size uint64
		name string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n >= u.size && n%u.size == 0 && n/u.size < 10_000 {
			return fmt.Sprintf("%d%s", n/u.size, u.name)
		}
	}
	for _, u := range []struct {
		size float64
		name string
	}{{1e18, "EB"}, {1e15, "PB"}, {1e12, "TB"}, {1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}} {
		if float64(n) >= u.size {
			return fmt.Sprintf("%.1f%s", float64(n)/u.size, u.name)
		}
	}
	return fmt.Sprintf("%dB", n)
}

// BriefRate returns a rate in bytes per second: "12.0 MB/s".
func BriefRate(bytesPerSecond float64) string {
	switch {
	case bytesPerSecond >= 1e9:
		return fmt.Sprintf("%.2f GB/s", bytesPerSecond/1e9)
	case bytesPerSecond >= 1e6:
		return fmt.Sprintf("%.1f MB/s", bytesPerSecond/1e6)
	default:
		return fmt.Sprintf("%.1f kB/s", bytesPerSecond/1e3)
	}
}

// BriefDuration returns a duration without digits that do not matter: "1.2s", "2m5s".
func BriefDuration(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return d.Round(100 * time.Millisecond).String()
	default:
		return d.Round(time.Millisecond).String()
	}
}

// day is one of those in which LongDuration counts.
const day = 24 * time.Hour

// LongDuration returns a duration in whole days, from two on, "13 days", and a shorter one as
// BriefDuration does.
func LongDuration(d time.Duration) string {
	if d < 2*day {
		return BriefDuration(d)
	}
	return fmt.Sprintf("%d days", d/day)
}

// InMegabytes returns an amount of bytes in MB with one decimal: "1340.0 MB".
func InMegabytes(bytes uint64) string { return fmt.Sprintf("%.1f MB", float64(bytes)/1e6) }

// InMegabytesPerSecond returns a rate in bytes per second in MB/s with one decimal: "0.2 MB/s".
func InMegabytesPerSecond(perSecond float64) string { return fmt.Sprintf("%.1f MB/s", perSecond/1e6) }
