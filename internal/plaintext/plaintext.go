package plaintext

import (
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
	b.Grow(min(len(s), limit) + len("…"))
	var piece [longestEscape]byte
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		safe := appendSafe(piece[:0], r, size, s[0])
		if b.Len()+len(safe) > limit {
			b.WriteString("…")
			break
		}
		b.Write(safe)
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

// longestEscape is how many bytes appendSafe appends at most.
const longestEscape = len(`\U0010ffff`)

// appendSafe appends rune r, of size bytes of which first is the first, in a form
// safe to print.
func appendSafe(b []byte, r rune, size int, first byte) []byte {
	switch {
	case r == utf8.RuneError && size == 1:
		return appendHex(b, 'x', 2, rune(first))
	case r >= ' ' && r <= '~':
		return append(b, byte(r))
	case unicode.IsPrint(r):
		return utf8.AppendRune(b, r)
	case r == '\n':
		return append(b, `\n`...)
	case r == '\t':
		return append(b, `\t`...)
	case r == '\r':
		return append(b, `\r`...)
	case r <= 0xff:
		return appendHex(b, 'x', 2, r)
	case r <= 0xffff:
		return appendHex(b, 'u', 4, r)
	default:
		return appendHex(b, 'U', 8, r)
	}
}

// appendHex appends an escape of so many digits.
func appendHex(b []byte, kind byte, digits int, r rune) []byte {
	b = append(b, '\\', kind)
	for shift := 4 * (digits - 1); shift >= 0; shift -= 4 {
		b = append(b, "0123456789abcdef"[r>>shift&0xf])
	}
	return b
}

// OneLine puts a text that may have several lines on one, and cuts it.
func OneLine(text string) string { return Line(strings.ReplaceAll(text, "\n", "; "), MaxText) }
