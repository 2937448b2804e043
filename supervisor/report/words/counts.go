package words

import (
	"fmt"

	"bulkhead/internal/human"
	words "bulkhead/internal/plural"
)

// Times returns " n times", or nothing for once.
func Times(n uint64) string {
	if n == 1 {
		return ""
	}
	return fmt.Sprintf(" %d times", n)
}

// Were returns "1 thing was" or "n things were".
func Were(n uint64, thing string) string {
	if n == 1 {
		return Plural(n, thing) + " was"
	}
	return Plural(n, thing) + " were"
}

// Plural returns "1 thing" or "n things".
func Plural(n uint64, thing string) string { return human.Count(n) + " " + words.Noun(n, thing) }
