package config

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

// autoReserve grows with the file system as far as it is of use: a twentieth is what
// ext4 keeps for root, and more than a gigabyte keeps nobody's system running better.
func autoReserve() Reserve { return Reserve{Size: GiB, Percent: 5} }

const validReserve = "auto, a size, a percentage of 1% to 99%, or 0"

// String is r as it is written in a configuration.
func (r Reserve) String() string {
	switch {
	case r == autoReserve():
		return "auto"
	case r.Percent > 0:
		return strconv.Itoa(r.Percent) + "%"
	default:
		return r.Size.String()
	}
}

func reserveField(name string, dst *Reserve, help string) field {
	key := Key{Name: name, Kind: "size", Default: autoReserve().String(), Valid: validReserve, Help: help}
	return scalar(key, dst, autoReserve(), parseReserve)
}

func parseReserve(text string) (Reserve, error) {
	if text == "auto" {
		return autoReserve(), nil
	}
	if number, ok := strings.CutSuffix(text, "%"); ok {
		percent, err := parsePart(text, number)
		return Reserve{Percent: percent}, err
	}
	if text == "" || text[0] < '0' || text[0] > '9' {
		return Reserve{}, fmt.Errorf("%s is not valid; %suse %s", quote(text), spelling.Meant(text, []string{"auto"}), validReserve)
	}
	size, err := parseSize(text)
	if err == nil && size > maxFileSize {
		err = fmt.Errorf("%s is out of range; use 0 to %s", quote(text), maxFileSize)
	}
	return Reserve{Size: size}, err
}

// parsePart reads the number of a percentage of a file system.
func parsePart(text, number string) (int, error) {
	percent, err := parseCount(number)
	if err != nil || percent < 1 || percent > 99 {
		return 0, fmt.Errorf("%s is not a percentage of a file system; use 1%% to 99%%, or 0 for none", quote(text))
	}
	return percent, nil
}
