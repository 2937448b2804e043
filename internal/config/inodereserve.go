package config

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

// autoInodes is what a system needs to go on: more than ten thousand files at once keep
// nobody's system running better.
func autoInodes() InodeReserve { return InodeReserve{Count: 10_000, Percent: 5} }

const (
	validInodes = "auto, a number, a percentage of 1% to 99%, or 0"
	maxInodes   = 1_000_000_000
)

// String is r as it is written in a configuration.
func (r InodeReserve) String() string {
	switch {
	case r == autoInodes():
		return "auto"
	case r.Percent > 0:
		return strconv.Itoa(r.Percent) + "%"
	default:
		return strconv.Itoa(r.Count)
	}
}

func inodesField(name string, dst *InodeReserve, help string) field {
	key := Key{Name: name, Kind: "count", Default: autoInodes().String(), Valid: validInodes, Help: help}
	return scalar(key, dst, autoInodes(), parseInodes)
}

func parseInodes(text string) (InodeReserve, error) {
	if text == "auto" {
		return autoInodes(), nil
	}
	if number, ok := strings.CutSuffix(text, "%"); ok {
		percent, err := parsePart(text, number)
		return InodeReserve{Percent: percent}, err
	}
	count, err := parseCount(text)
	if err != nil {
		return InodeReserve{}, fmt.Errorf("%s is not valid; use %s", quote(text), validInodes)
	}
	if count < 0 || count > maxInodes {
		return InodeReserve{}, fmt.Errorf("%s is out of range; use 0 to %d", quote(text), maxInodes)
	}
	return InodeReserve{Count: count}, nil
}
