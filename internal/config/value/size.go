package value

import (
	"cmp"
	"fmt"
	"math"
	"math/big"
	"strings"

	"bulkhead/internal/human"
)

// Size is a number of bytes.
type Size uint64

// The units of sizes, in bytes.
const (
	kB  Size = 1000
	MB       = 1000 * kB
	GB       = 1000 * MB
	TB       = 1000 * GB
	KiB Size = 1024
	MiB      = 1024 * KiB
	GiB      = 1024 * MiB
	TiB      = 1024 * GiB
)

const sizeUnits = "B, kB, MB, GB, TB, KiB, MiB, GiB or TiB"

// maxSizeText is the longest text that can be a size: far more digits than a
// size of 64 bits needs, few enough to bound the arithmetic.
const maxSizeText = 64

// sizeScales lists the units from the largest to the smallest.
func sizeScales() []struct {
	unit  string
	bytes Size
} {
	return []struct {
		unit  string
		bytes Size
	}{{"TiB", TiB}, {"TB", TB}, {"GiB", GiB}, {"GB", GB}, {"MiB", MiB}, {"MB", MB}, {"KiB", KiB}, {"kB", kB}, {"B", 1}}
}

// String returns s in the largest unit that holds it in whole numbers; ParseSize
// reads it back to the same value.
func (s Size) String() string { return human.ExactSize(uint64(s)) }

// ParseSize reads a size in bytes: decimal digits, perhaps with a fraction, and
// right behind them one of the units B, kB, MB, GB, TB (powers of 1000), KiB, MiB,
// GiB and TiB (powers of 1024). Only 0 needs no unit. It returns an error that says
// what would be valid when the text is anything else, is not a whole number of
// bytes, or does not fit 64 bits.
func ParseSize(s string) (Size, error) {
	if s == "0" {
		return 0, nil
	}
	number, unit, err := splitSize(s)
	if err != nil {
		return 0, err
	}
	for _, scale := range sizeScales() {
		if scale.unit == unit {
			return scaleSize(s, number, scale.bytes)
		}
	}
	return 0, fmt.Errorf("%s is not a size; %s", Quote(s), cmp.Or(sizeHint(s), "use "+sizeUnits))
}

// splitSize cuts a size into its number, whose form it checks, and its unit.
func splitSize(s string) (number, unit string, err error) {
	switch {
	case strings.HasPrefix(s, "-"):
		return "", "", fmt.Errorf("%s is negative; a size is 0 or more", Quote(s))
	case strings.ContainsAny(s, " \t"):
		return "", "", fmt.Errorf("%s has a space in it; %s", Quote(s),
			cmp.Or(sizeHint(s), "write the unit right behind the number, as in 64MiB"))
	}
	end := strings.IndexFunc(s, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	if end < 0 {
		end = len(s)
	}
	number, unit = s[:end], s[end:]
	whole, fraction, dotted := strings.Cut(number, ".")
	if whole == "" || (dotted && fraction == "") || strings.Contains(fraction, ".") || len(s) > maxSizeText {
		return "", "", fmt.Errorf("%s is not a size; use a number and one of %s, as in 64MiB", Quote(s), sizeUnits)
	}
	if unit == "" {
		return "", "", fmt.Errorf("%s has no unit; use %s", Quote(s), sizeUnits)
	}
	return number, unit, nil
}

// scaleSize multiplies without rounding.
func scaleSize(s, number string, unit Size) (Size, error) {
	bytes, ok := new(big.Rat).SetString(number)
	if !ok {
		return 0, fmt.Errorf("%s is not a size; use %s", Quote(s), sizeUnits)
	}
	bytes.Mul(bytes, new(big.Rat).SetInt(new(big.Int).SetUint64(uint64(unit))))
	switch {
	case !bytes.IsInt():
		return 0, fmt.Errorf("%s is not a whole number of bytes; use a rounder number or a smaller unit", Quote(s))
	case !bytes.Num().IsUint64():
		return 0, fmt.Errorf("%s is too large; a size is at most %s", Quote(s), Size(math.MaxUint64))
	}
	return Size(bytes.Num().Uint64()), nil
}
