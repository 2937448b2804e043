package value

import (
	"fmt"
	"strconv"
	"strings"

	"bulkhead/internal/spelling"
)

// Reserve is free space that is left on a file system: the Size, or the part of the
// file system, or both zero for none; with both, the smaller one.
type Reserve struct {
	Size    Size
	Percent int
}

// AutoReserve grows with the file system as far as it is of use: a twentieth is what
// ext4 keeps for root, and more than a gigabyte keeps nobody's system running better.
func AutoReserve() Reserve { return Reserve{Size: GiB, Percent: 5} }

// ValidReserve says what a Reserve can be, in words.
const ValidReserve = "auto, a size, a percentage of 1% to 99%, or 0"

// String returns r as it is written in a configuration.
func (r Reserve) String() string {
	switch {
	case r == AutoReserve():
		return "auto"
	case r.Percent > 0:
		return strconv.Itoa(r.Percent) + "%"
	default:
		return r.Size.String()
	}
}

// ParseReserve reads a size, a percentage such as "7%", or "auto".
func ParseReserve(text string) (Reserve, error) {
	if text == "auto" {
		return AutoReserve(), nil
	}
	if number, ok := strings.CutSuffix(text, "%"); ok {
		percent, err := parsePart(text, number)
		return Reserve{Percent: percent}, err
	}
	if text == "" || text[0] < '0' || text[0] > '9' {
		return Reserve{}, fmt.Errorf("%s is not valid; %suse %s", Quote(text), spelling.Meant(text, []string{"auto"}),
			ValidReserve)
	}
	size, err := ParseSize(text)
	if err == nil && size > MaxFileSize {
		err = fmt.Errorf("%s is out of range; use 0 to %s", Quote(text), MaxFileSize)
	}
	return Reserve{Size: size}, err
}

// parsePart reads the number of a percentage of a file system.
func parsePart(text, number string) (int, error) {
	percent, err := ParseCount(number)
	if err != nil || percent < 1 || percent > 99 {
		return 0, fmt.Errorf("%s is not a percentage of a file system; use 1%% to 99%%, or 0 for none", Quote(text))
	}
	return percent, nil
}
