// Package plural puts a number and what it counts into words: "1 file", "2 files". It is the
// one place for that, so that no text says "1 files".
package plural

import (
	"fmt"
	"strings"
)

// Of returns "1 thing" or "n things".
func Of[N ~int | ~int64 | ~uint | ~uint32 | ~uint64](n N, thing string) string {
	return fmt.Sprintf("%d %s", n, Noun(n, thing))
}

// Noun returns thing for 1, and else what many of it are called. Only the last word of thing
// is put into the plural.
func Noun[N ~int | ~int64 | ~uint | ~uint32 | ~uint64](n N, thing string) string {
	if n == 1 {
		return thing
	}
	for _, end := range []string{"s", "x", "ch", "sh"} {
		if strings.HasSuffix(thing, end) {
			return thing + "es"
		}
	}
	if stem, ok := strings.CutSuffix(thing, "y"); ok && !strings.HasSuffix(stem, "a") &&
		!strings.HasSuffix(stem, "e") && !strings.HasSuffix(stem, "o") {
		return stem + "ies"
	}
	return thing + "s"
}

// Is returns "is" for 1, and else "are".
func Is[N ~int | ~int64 | ~uint | ~uint32 | ~uint64](n N) string {
	if n == 1 {
		return "is"
	}
	return "are"
}
