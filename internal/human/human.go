package human

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// None is printed where there is nothing to say.
const None = "–"

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
	rounded := time.Duration(significant(uint64(nano)))
	switch {
	case rounded < time.Microsecond:
		return fmt.Sprintf("%dns", rounded)
	case rounded < time.Millisecond:
		return ThreeDigits(float64(rounded)/1e3) + "µs"
	case rounded < time.Second:
		return ThreeDigits(float64(rounded)/1e6) + "ms"
	case rounded < time.Minute:
		return ThreeDigits(float64(rounded)/1e9) + "s"
	default:
		return clock(time.Duration(nano))
	}
}

// significant rounds n to three significant decimal digits.
func significant(n uint64) uint64 {
	n = min(n, 1<<63)
	step := uint64(1)
	for n/step >= 1000 {
		step *= 10
	}
	return (n + step/2) / step * step
}

// clock returns a duration of about a minute or more.
func clock(d time.Duration) string {
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
	decimals := 2
	switch {
	case x >= 99.95:
		decimals = 0
	case x >= 9.995:
		decimals = 1
	}
	text := strconv.FormatFloat(x, 'f', decimals, 64)
	if decimals > 0 {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// Size returns an amount of bytes in decimal units: "67.1 MB".
func Size(bytes uint64) string {
	x := float64(significant(bytes))
	for _, unit := range []string{"B", "kB", "MB", "GB", "TB", "PB"} {
		if x < 1000 {
			return ThreeDigits(x) + " " + unit
		}
		x /= 1000
	}
	return ThreeDigits(x) + " EB"
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

// UnlessZero is count, but nothing for 0.
func UnlessZero(n uint64) string {
	if n == 0 {
		return ""
	}
	return Count(n)
}

// Shorten cuts s to at most width columns, with "…" where it was cut.
func Shorten(s string, width int) string {
	if Columns(s) <= width {
		return s
	}
	used, end := 1, 0
	for i, r := range s {
		if used+columnsOf(r) > width {
			break
		}
		used += columnsOf(r)
		end = i + len(string(r))
	}
	return s[:end] + "…"
}

// Abridge cuts a name to at most width columns, with "…" in its middle: names of machines
// often differ in their last characters alone, of which it keeps more than of the first.
func Abridge(name string, width int) string {
	if Columns(name) <= width {
		return name
	}
	head := Shorten(name, max(width*2/5, 1)) // with its "…"
	return head + tail(name, width-Columns(head))
}

// LastOf is shorten, but cuts s at its begin.
func LastOf(s string, width int) string {
	if Columns(s) <= width {
		return s
	}
	return "…" + tail(s, width-1)
}

// tail returns the end of s that takes at most width columns.
func tail(s string, width int) string {
	begin := len(s)
	for begin > 0 {
		r, size := utf8.DecodeLastRuneInString(s[:begin])
		if width -= columnsOf(r); width < 0 {
			break
		}
		begin -= size
	}
	return s[begin:]
}

// Wrap breaks a text at its line breaks, and at spaces so that a line takes at most
// width columns; a longer word keeps its line to itself. Lines after a line break are
// set in, so that they are not taken for something else.
func Wrap(text string, width int) []string {
	var lines []string
	for i, paragraph := range strings.Split(text, "\n") {
		lead := ""
		if i > 0 {
			lead = "  "
		}
		line := lead
		for j, word := range strings.Split(paragraph, " ") {
			switch {
			case j == 0:
				line += word
			case Columns(line)+1+Columns(word) > width:
				lines = append(lines, line)
				line = lead + word
			default:
				line += " " + word
			}
		}
		lines = append(lines, line)
	}
	return lines
}

// Columns returns how many columns of a terminal s takes.
func Columns(s string) int {
	n := 0
	for _, r := range s {
		n += columnsOf(r)
	}
	return n
}
