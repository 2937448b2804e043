package value

import (
	"fmt"
	"strconv"
	"strings"
)

// InodeReserve is how many inodes are left on a file system: the Count, or the part of those
// that it has, or both zero for none; with both, the smaller one.
type InodeReserve struct {
	Count   int
	Percent int
}

// AutoInodes returns what a system needs to continue: more than ten thousand files at once keep
// nobody's system running better.
func AutoInodes() InodeReserve { return InodeReserve{Count: 10_000, Percent: 5} }

// ValidInodes says what an InodeReserve can be, in words.
const ValidInodes = "auto, a number, a percentage of 1% to 99%, or 0"

// maxInodes is the largest InodeReserve.Count.
const maxInodes = 1_000_000_000

// String returns r as it is written in a configuration.
func (r InodeReserve) String() string {
	switch {
	case r == AutoInodes():
		return "auto"
	case r.Percent > 0:
		return strconv.Itoa(r.Percent) + "%"
	default:
		return strconv.Itoa(r.Count)
	}
}

// ParseInodes reads a number, a percentage such as "7%", or "auto".
func ParseInodes(text string) (InodeReserve, error) {
	if text == "auto" {
		return AutoInodes(), nil
	}
	if number, ok := strings.CutSuffix(text, "%"); ok {
		percent, err := parsePart(text, number)
		return InodeReserve{Percent: percent}, err
	}
	count, err := ParseCount(text)
	if err != nil {
		return InodeReserve{}, fmt.Errorf("%s is not valid; use %s", Quote(text), ValidInodes)
	}
	if count < 0 || count > maxInodes {
		return InodeReserve{}, fmt.Errorf("%s is out of range; use 0 to %d", Quote(text), maxInodes)
	}
	return InodeReserve{Count: count}, nil
}
