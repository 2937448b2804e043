package value

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// Allowance is a folder below which loads may write, and how much they may take up in it at once.
type Allowance struct {
	Path string
	Size Size
}

// ValidAllowances says what allowances can be, in words.
const ValidAllowances = "PATH:SIZE, as in /mnt/under-test:500GiB; at most 32"

// MostAllowances is how many there can be.
const MostAllowances = 32

// ParseAllowance reads PATH:SIZE.
func ParseAllowance(text string) (Allowance, error) {
	at := strings.LastIndex(text, ":")
	if at <= 0 {
		return Allowance{}, fmt.Errorf("%s is not PATH:SIZE; name a folder and how much loads may take up in it at "+
			"once, as in /mnt/under-test:500GiB", Quote(text))
	}
	size, err := ParseSize(text[at+1:])
	if err != nil {
		return Allowance{}, err
	}
	path := text[:at]
	switch {
	case size <= 0:
		return Allowance{}, fmt.Errorf("%s allows nothing; give a size of 1B or more", Quote(text))
	case !filepath.IsAbs(path):
		return Allowance{}, fmt.Errorf("%s is not absolute; write the path from / on", Quote(path))
	case filepath.Clean(path) == "/":
		return Allowance{}, errors.New("/ is the whole machine; allow a folder that is there for tests")
	}
	return Allowance{Path: filepath.Clean(path), Size: size}, CheckBytes(1, 4095)(path)
}

// ParseAllowances reads allowances with commas between them.
func ParseAllowances(text string) ([]Allowance, error) {
	if text == "" {
		return nil, nil
	}
	var all []Allowance
	for one := range strings.SplitSeq(text, ",") {
		a, err := ParseAllowance(one)
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, CheckAllowances(all)
}

// CheckAllowances returns what is wrong with allowances that are right by themselves.
func CheckAllowances(all []Allowance) error {
	if len(all) > MostAllowances {
		return fmt.Errorf("has %d folders; use at most %d", len(all), MostAllowances)
	}
	seen := make(map[string]bool)
	for _, a := range all {
		if seen[a.Path] {
			return fmt.Errorf("%s is there twice; keep one", Quote(a.Path))
		}
		seen[a.Path] = true
	}
	return nil
}
