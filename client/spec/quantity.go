package spec

import (
	"fmt"
	"math/bits"
	"time"

	"bulkhead/internal/pathname"
)

// Size is a size for a person: exact when a binary unit divides it
// ("64MiB"), otherwise rounded to one decimal ("1.5GB").
func Size(n uint64) string {
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

// Rate is a rate in bytes per second for a person: "12.0 MB/s".
func Rate(bytesPerSecond float64) string {
	switch {
	case bytesPerSecond >= 1e9:
		return fmt.Sprintf("%.2f GB/s", bytesPerSecond/1e9)
	case bytesPerSecond >= 1e6:
		return fmt.Sprintf("%.1f MB/s", bytesPerSecond/1e6)
	default:
		return fmt.Sprintf("%.1f kB/s", bytesPerSecond/1e3)
	}
}

// Duration is a duration for a person, without digits that do not matter.
func Duration(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return d.Round(100 * time.Millisecond).String()
	default:
		return d.Round(time.Millisecond).String()
	}
}

// Measured says what has lasted so long, and what its limit was if that is something else to
// a reader: "no answer in 2.3s (limit 2s)".
func Measured(what string, lasted, limit time.Duration) string {
	if is, was := Duration(lasted), Duration(limit); is != was {
		return fmt.Sprintf("%s %s (limit %s)", what, is, was)
	}
	return what + " " + Duration(lasted)
}

// textMaxBytes bounds a text that is made of errors and sent in a message.
const textMaxBytes = 2000

// Clip makes a text fit for a message: UTF-8 of at most textMaxBytes.
func Clip(s string) string { return pathname.Clip(s, textMaxBytes) }

// Mul and add saturate at the largest uint64, so that absurd configurations are
// too large instead of small.
func Mul(a, b uint64) uint64 {
	high, low := bits.Mul64(a, b)
	if high != 0 {
		return ^uint64(0)
	}
	return low
}

func Add(a, b uint64) uint64 {
	sum, carry := bits.Add64(a, b, 0)
	if carry != 0 {
		return ^uint64(0)
	}
	return sum
}
