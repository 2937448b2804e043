package plaintext

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of texts, in bytes after cleaning.
const (
	MaxName = 128
	MaxText = 512
	// MaxLines is the most lines of a text that may have several.
	MaxLines = 32
)

// Line makes s safe to print on a terminal and short enough to keep: bytes that
// are not UTF-8 and runes that are not printable (control characters, escape
// sequences, text direction marks, every space but U+0020) become visible escapes
// such as \x1b or \u202e, and what exceeds limit bytes becomes "…".
func Line(s string, limit int) string {
	if len(s) <= limit && isASCII(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		piece := escape(r, size, s[0])
		if b.Len()+len(piece) > limit {
			b.WriteString("…")
			break
		}
		b.WriteString(piece)
		s = s[size:]
	}
	return b.String()
}

// Lines cleans a text of at most MaxText bytes and MaxLines lines: line breaks between lines stay,
// and empty lines go.
func Lines(s string) string {
	if !strings.Contains(s, "\n") {
		return Line(s, MaxText)
	}
	var lines []string
	room := MaxText
	for line := range strings.SplitSeq(s, "\n") {
		line = strings.TrimSpace(strings.TrimRight(line, "\r"))
		if line == "" {
			continue
		}
		if len(lines) == MaxLines || room <= 0 {
			lines = append(lines, "…")
			break
		}
		line = Line(line, room)
		room -= len(line) + 1
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// isASCII reports whether s consists of printable ASCII alone.
func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// escape returns rune r, of size bytes of which first is the first, in a form
// safe to print.
func escape(r rune, size int, first byte) string {
	switch {
	case r == utf8.RuneError && size == 1:
		return fmt.Sprintf(`\x%02x`, first)
	case unicode.IsPrint(r):
		return string(r)
	case r == '\n':
		return `\n`
	case r == '\t':
		return `\t`
	case r == '\r':
		return `\r`
	case r <= 0xff:
		return fmt.Sprintf(`\x%02x`, r)
	case r <= 0xffff:
		return fmt.Sprintf(`\u%04x`, r)
	default:
		return fmt.Sprintf(`\U%08x`, r)
	}
}

// OneLine puts a text that may have several lines on one, and cuts it.
func OneLine(text string) string { return Line(strings.ReplaceAll(text, "\n", "; "), MaxText) }
