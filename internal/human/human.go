package human

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// None stands for a figure or a text that is missing.
const None = "–"

// OrDash returns s, or None if it is empty.
func OrDash(s string) string {
	if s == "" {
		return None
	}
	return s
}

// Duration returns a duration in nanoseconds as a person says it: three significant
// digits below a minute ("340µs", "1.2ms", "20.1s"), and "1m02s", "1h02m03s",
// "2d03h04m" above.
func Duration(nano int64) string {
	switch {
	case nano == 0:
		return "0s"
	case nano < 0:
		return "-" + Duration(-max(nano, -math.MaxInt64))
	}
	if rounded := time.Duration(significant(uint64(nano))); rounded < time.Minute {
		return inUnit(rounded, ThreeDigits)
	}
	return long(time.Duration(nano))
}

// inUnit returns a duration, rounded, in the largest unit up to seconds of which it has one.
func inUnit(rounded time.Duration, digits func(float64) string) string {
	switch {
	case rounded < time.Microsecond:
		return fmt.Sprintf("%dns", rounded)
	case rounded < time.Millisecond:
		return digits(float64(rounded)/1e3) + "µs"
	case rounded < time.Second:
		return digits(float64(rounded)/1e6) + "ms"
	default:
		return digits(float64(rounded)/1e9) + "s"
	}
}

// significant rounds n to three significant decimal digits.
func significant(n uint64) uint64 {
	step := uint64(1)
	for n/step >= 1000 {
		step *= 10
	}
	whole := n / step
	if step > 1 && n%step >= step/2 {
		whole++
	}
	return whole * step
}

// long returns a duration of about a minute or more.
func long(d time.Duration) string {
	d = d.Round(time.Second)
	days, hours := int64(d/(24*time.Hour)), int64(d/time.Hour)%24
	minutes, seconds := int64(d/time.Minute)%60, int64(d/time.Second)%60
	switch {
	case days > 0:
		return fmt.Sprintf("%dd%02dh%02dm", days, hours, minutes)
	case hours > 0:
		return fmt.Sprintf("%dh%02dm%02ds", hours, minutes, seconds)
	default:
		return fmt.Sprintf("%dm%02ds", minutes, seconds)
	}
}

// ThreeDigits returns x, which is not negative, with three significant digits and
// no zeros at the end of its fraction.
func ThreeDigits(x float64) string {
	text := threeDigits(x)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// threeDigits returns x, which is not negative, with three significant digits, or all
// before the point.
func threeDigits(x float64) string {
	decimals := 2
	switch {
	case x >= 99.95:
		decimals = 0
	case x >= 9.995:
		decimals = 1
	}
	return strconv.FormatFloat(x, 'f', decimals, 64)
}

// Size returns an amount of bytes in decimal units: "67.1 MB".
func Size(bytes uint64) string { return sized(bytes, ThreeDigits) }

// sized returns an amount of bytes in decimal units.
func sized(bytes uint64, digits func(float64) string) string {
	if bytes < 1000 {
		return fmt.Sprintf("%d B", bytes)
	}
	x := float64(significant(bytes)) / 1000
	for _, unit := range []string{"kB", "MB", "GB", "TB", "PB"} {
		if x < 1000 {
			return digits(x) + " " + unit
		}
		x /= 1000
	}
	return digits(x) + " EB"
}

// Megabytes returns a rate in MB/s without its unit.
func Megabytes(perSecond uint64) string {
	if perSecond == 0 {
		return None
	}
	return fixed(float64(perSecond) / 1e6)
}

// fixed returns x with one decimal below 1000 and none above, so that a column of
// them lines up.
func fixed(x float64) string {
	switch {
	case x >= 999.95:
		return Count(uint64(x + 0.5))
	case x >= 0.05 || x == 0:
		return strconv.FormatFloat(x, 'f', 1, 64)
	default:
		return strconv.FormatFloat(x, 'f', 3, 64)
	}
}

// Count returns n with its thousands apart: "14 201".
func Count(n uint64) string {
	text := strconv.FormatUint(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + " " + text[i:]
	}
	return text
}

// UnlessZero returns n as Count does, and nothing for 0.
func UnlessZero(n uint64) string {
	if n == 0 {
		return ""
	}
	return Count(n)
}
