// Package spelling suggests the intended name for one that does not exist: the one place behind
// every "did you mean".
package spelling

import "strings"

const (
	// longest is the longest name that is compared, in bytes.
	longest = 64
	// leastPrefix is the shortest beginning of a name that stands for it, in bytes.
	leastPrefix = 3
)

// Nearest returns the candidate most like name, or "" when none is like it. Case does not
// count, and "-", "_" and "." are one letter. When no candidate is like it, the only one
// that begins with it is meant.
func Nearest(name string, candidates []string) string {
	if len(name) > longest {
		return ""
	}
	plain := folded(name)
	best, limit := "", max(1, min(3, len(plain)/3))
	for _, c := range candidates {
		if d := distance(plain, folded(c)); d <= limit {
			best, limit = c, d-1
		}
	}
	if best != "" || len(plain) < leastPrefix {
		return best
	}
	for _, c := range candidates {
		if !strings.HasPrefix(folded(c), plain) {
			continue
		}
		if best != "" {
			return ""
		}
		best = c
	}
	return best
}

// Meant returns "did you mean NAME? " for the candidate that Nearest finds, or "". A name that
// exists was meant.
func Meant(name string, candidates []string) string {
	if meant := Nearest(name, candidates); meant != "" && meant != name {
		return "did you mean " + meant + "? "
	}
	return ""
}

// folded returns a name in the form that is compared.
func folded(name string) string {
	return strings.NewReplacer("-", "_", ".", "_").Replace(strings.ToLower(name))
}

// distance counts the letters to insert, delete, replace or swap with their
// neighbour that turn a into b.
func distance(a, b string) int {
	before, previous := []int(nil), make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replace := previous[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			row[j] = min(replace, previous[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, previous = previous, row
	}
	return previous[len(b)]
}
