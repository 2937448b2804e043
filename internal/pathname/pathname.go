// Package pathname carries paths as the file system has them, which is any bytes, where
// others take text: in messages, and before people.
package pathname

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"bulkhead/internal/protocol"
)

// Pathed is what has a path on the wire: as text, and as bytes where it is none.
type Pathed interface {
	GetPath() string
	GetPathBytes() []byte
}

// Wire returns a path as messages carry it: text, and the path itself if that is not UTF-8.
func Wire(path string) (text string, raw []byte) {
	if utf8.ValidString(path) {
		return path, nil
	}
	return cut(path, protocol.MaxPathBytes, isText), []byte(path)
}

// Of returns the path that a message carries.
func Of(p Pathed) string {
	if raw := p.GetPathBytes(); len(raw) > 0 {
		return string(raw)
	}
	return p.GetPath()
}

// Clip returns Text(s) in at most that many bytes.
func Clip(s string, most int) string { return cut(s, most, isText) }

// Text returns a text with each byte that is not UTF-8 written as \x and two digits.
func Text(s string) string { return cut(s, len(s)*len(`\xff`), isText) }

// Printable returns Text(s) for a screen: what cannot be printed is escaped too.
func Printable(s string) string { return cut(s, len(s)*len(`\xff`), unicode.IsPrint) }

func isText(rune) bool { return true }

// cut writes s in at most so many bytes, with what is not UTF-8, or not plain, escaped.
func cut(s string, most int, plain func(rune) bool) string {
	const more = "…"
	var b strings.Builder
	for rest := s; rest != ""; {
		r, size := utf8.DecodeRuneInString(rest)
		piece := rest[:size]
		rest = rest[size:]
		if r == utf8.RuneError && size == 1 || !plain(r) {
			escaped := ""
			for _, c := range []byte(piece) {
				escaped += fmt.Sprintf(`\x%02x`, c)
			}
			piece = escaped
		}
		room := most - b.Len() - len(piece)
		if room < 0 || room < len(more) && rest != "" {
			return b.String() + more
		}
		b.WriteString(piece)
	}
	return b.String()
}
