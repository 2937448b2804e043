package plaintext

import (
	"strconv"
	"unicode/utf8"
)

// MaxQuoted is how much of a text Quote repeats, in characters.
const MaxQuoted = 60

// Quote makes a text safe and short enough to be repeated in a message of one line.
func Quote(s string) string {
	s = s[:min(len(s), MaxQuoted*utf8.UTFMax+1)] // bounds the conversion below
	if runes := []rune(s); len(runes) > MaxQuoted {
		s = string(runes[:MaxQuoted]) + "…"
	}
	return strconv.Quote(s)
}
