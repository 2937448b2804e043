package human

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// Columns returns how many columns of a terminal s takes. Escape sequences take none.
func Columns(s string) int { return ansi.StringWidth(s) }

// Shorten cuts s to at most width columns, with "…" where it was cut.
func Shorten(s string, width int) string { return ansi.Truncate(s, max(width, 0), "…") }

// Abridge cuts a name to at most width columns, with "…" in its middle: names of machines
// often differ in their last characters alone, of which it keeps more than of the first.
func Abridge(name string, width int) string {
	if Columns(name) <= width {
		return name
	}
	head := Shorten(name, max(width*2/5, 1)) // with its "…"
	return head + tail(name, width-Columns(head))
}

// LastOf cuts s to at most width columns at its beginning, with "…" where it was cut.
func LastOf(s string, width int) string {
	if Columns(s) <= width {
		return s
	}
	return "…" + tail(s, width-1)
}

// tail returns the end of s that takes at most width columns.
func tail(s string, width int) string {
	for cut := Columns(s) - max(width, 0); ; cut++ {
		end := ansi.TruncateLeft(s, cut, "")
		if Columns(end) <= width || end == "" { // half of a wide character is kept whole
			return end
		}
	}
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
