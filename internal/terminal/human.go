package terminal

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/charmbracelet/x/ansi"
)

// none is drawn where there is nothing to say.
const none = "–"

// clean replaces what is not printable in a text from a client, such as an escape
// sequence or a change of direction.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || unicode.IsPrint(r) {
			return r
		}
		return '·'
	}, s)
}

// cut shortens a text to a number of cells.
func cut(s string, cells int) string {
	return ansi.Truncate(s, max(cells, 0), "…")
}

// abridge shortens a name to a number of cells in its middle: names of machines often
// differ in their last characters alone, of which it keeps more than of the first.
func abridge(name string, width int) string {
	if cells(name) <= width {
		return name
	}
	head := ansi.Truncate(name, max(width*2/5, 1), "…")
	for less := cells(name) - max(width-cells(head), 0); ; less++ {
		tail := ansi.TruncateLeft(name, less, "")
		if cells(head+tail) <= width || tail == "" { // half of a wide character is kept whole
			return head + tail
		}
	}
}

// cells is how many cells a text takes.
func cells(s string) int { return ansi.StringWidth(s) }

// latencyText is a latency in ns with three digits: "340µs", "1.23ms".
func latencyText(nano int64) string {
	if nano <= 0 {
		return none
	}
	d := time.Duration(nano)
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{time.Second, "s"}, {time.Millisecond, "ms"}, {time.Microsecond, "µs"}} {
		// As soon as it would be rounded up to it.
		if float64(d) >= 0.9995*float64(u.unit) {
			return digits(float64(d)/float64(u.unit)) + u.name
		}
	}
	return fmt.Sprintf("%dns", nano)
}

// digits is x, not negative, with three significant digits, or all before the point.
func digits(x float64) string {
	switch {
	case x >= 99.95:
		return strconv.FormatFloat(x, 'f', 0, 64)
	case x >= 9.995:
		return strconv.FormatFloat(x, 'f', 1, 64)
	default:
		return strconv.FormatFloat(x, 'f', 2, 64)
	}
}

// bytesText is an amount of bytes in decimal units: "67.1 MB".
func bytesText(n uint64) string {
	x := float64(n)
	for _, unit := range []string{"B", "kB", "MB", "GB", "TB", "PB"} {
		if x < 999.5 {
			if unit == "B" {
				return fmt.Sprintf("%.0f B", x)
			}
			return digits(x) + " " + unit
		}
		x /= 1000
	}
	return digits(x) + " EB"
}

// rateText is bytes per second as MB/s without the unit, to stand in a column.
func rateText(bytesPerSecond float64) string {
	return strconv.FormatFloat(bytesPerSecond/1e6, 'f', 1, 64)
}

// clockText is a duration as a clock shows it: "01:12", "1:02:03", "2d 03:04:05".
func clockText(d time.Duration) string {
	s := int64(max(d, 0) / time.Second)
	days, hours, minutes, seconds := s/86400, s/3600%24, s/60%60, s%60
	switch {
	case days > 0:
		return fmt.Sprintf("%dd %02d:%02d:%02d", days, hours, minutes, seconds)
	case hours > 0:
		return fmt.Sprintf("%d:%02d:%02d", hours, minutes, seconds)
	default:
		return fmt.Sprintf("%02d:%02d", minutes, seconds)
	}
}
