package human

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ExactSize returns an amount of bytes in the largest unit that holds it in whole numbers, as a
// configuration may have it: "64MiB", "1500B". The largest are GiB and GB, by which people compare.
func ExactSize(bytes uint64) string {
	for _, scale := range []struct {
		unit  string
		bytes uint64
	}{{"GiB", 1 << 30}, {"GB", 1e9}, {"MiB", 1 << 20}, {"MB", 1e6}, {"KiB", 1 << 10}, {"kB", 1e3}, {"B", 1}} {
		if bytes >= scale.bytes && bytes%scale.bytes == 0 {
			return strconv.FormatUint(bytes/scale.bytes, 10) + scale.unit
		}
	}
	return "0B"
}

// ExactDuration returns d as a configuration may have it: "90s" is "1m30s", and "2h0m0s" is "2h".
func ExactDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// ExactNumber returns x with all of its digits, and without an exponent.
func ExactNumber(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }

// Decimal returns x with as many decimals as it has, but no more than three digits of them.
func Decimal(x float64) string {
	return strings.TrimSuffix(strings.TrimRight(strconv.FormatFloat(x, 'f', 3, 64), "0"), ".")
}

// Configured returns a size as somebody would have written it: in the unit, decimal or
// binary, of which it is the smallest whole number; rounded if it is a whole number of none.
func Configured(bytes uint64) string {
	best, unit := uint64(10_000), ""
	for _, u := range []struct {
		name  string
		bytes uint64
	}{{"B", 1}, {"kB", 1e3}, {"KiB", 1 << 10}, {"MB", 1e6}, {"MiB", 1 << 20}, {"GB", 1e9}, {"GiB", 1 << 30},
		{"TB", 1e12}, {"TiB", 1 << 40}} {
		if n := bytes / u.bytes; bytes > 0 && bytes%u.bytes == 0 && n < best {
			best, unit = n, u.name
		}
	}
	if unit == "" {
		return Size(bytes)
	}
	return fmt.Sprint(best) + " " + unit
}
