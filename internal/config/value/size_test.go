package value

import (
	"math"
	"strings"
	"testing"
	"testing/quick"
)

func TestParseSize(t *testing.T) {
	for text, want := range map[string]Size{
		"0": 0, "0B": 0, "0GiB": 0, "1B": 1, "512B": 512, "007B": 7, "010B": 10,
		"1kB": 1e3, "1MB": 1e6, "1GB": 1e9, "1KiB": 1 << 10, "1MiB": 1 << 20, "1GiB": 1 << 30,
		"1.5MiB": 3 << 19, "0.5KiB": 512, "1.001kB": 1001, "2.50GB": 2_500_000_000, "0.000000001GB": 1,
		"18446744073709551615B": math.MaxUint64, "17179869183GiB": math.MaxUint64 - 1<<30 + 1,
	} {
		got, err := ParseSize(text)
		if err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
}

func TestParseSizeRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                      `"" is not a size; use a number and one of B, kB, MB, GB, TB, KiB, MiB, GiB or TiB, as in 64MiB`,
		"MiB":                   `"MiB" is not a size; use a number and one of B, kB, MB, GB, TB, KiB, MiB, GiB or TiB, as in 64MiB`,
		"1.2.3MB":               `"1.2.3MB" is not a size; use a number and one of B, kB, MB, GB, TB, KiB, MiB, GiB or TiB, as in 64MiB`,
		".5MiB":                 `".5MiB" is not a size; use a number and one of B, kB, MB, GB, TB, KiB, MiB, GiB or TiB, as in 64MiB`,
		"5.MiB":                 `"5.MiB" is not a size; use a number and one of B, kB, MB, GB, TB, KiB, MiB, GiB or TiB, as in 64MiB`,
		"+1MiB":                 `"+1MiB" is not a size; use a number and one of B, kB, MB, GB, TB, KiB, MiB, GiB or TiB, as in 64MiB`,
		"10X":                   `"10X" is not a size; use B, kB, MB, GB, TB, KiB, MiB, GiB or TiB`,
		"10mb":                  `"10mb" is not a size; use 10MB or 10MiB`,
		"1e3B":                  `"1e3B" is not a size; use B, kB, MB, GB, TB, KiB, MiB, GiB or TiB`,
		"1_000B":                `"1_000B" is not a size; use B, kB, MB, GB, TB, KiB, MiB, GiB or TiB`,
		"1PiB":                  `"1PiB" is not a size; use B, kB, MB, GB, TB, KiB, MiB, GiB or TiB`,
		"10":                    `"10" has no unit; use B, kB, MB, GB, TB, KiB, MiB, GiB or TiB`,
		"00":                    `"00" has no unit; use B, kB, MB, GB, TB, KiB, MiB, GiB or TiB`,
		"1 MiB":                 `"1 MiB" has a space in it; use 1MiB`,
		"-1MiB":                 `"-1MiB" is negative; a size is 0 or more`,
		"0.5B":                  `"0.5B" is not a whole number of bytes; use a rounder number or a smaller unit`,
		"1.0001kB":              `"1.0001kB" is not a whole number of bytes; use a rounder number or a smaller unit`,
		"18446744073709551616B": `"18446744073709551616B" is too large; a size is at most 18446744073709551615B`,
		"17179869184GiB":        `"17179869184GiB" is too large; a size is at most 18446744073709551615B`,
	} {
		got, err := ParseSize(text)
		if err == nil || err.Error() != want {
			t.Errorf("ParseSize(%q) = %d, %v\nwant %s", text, got, err, want)
		}
	}
}

func TestSizeRoundTrip(t *testing.T) {
	roundTrips := func(n uint64, shift uint8) bool {
		// Shifted, so that the larger units occur as well.
		size := Size(n >> (shift % 64) << (shift % 64))
		got, err := ParseSize(size.String())
		return err == nil && got == size
	}
	if err := quick.Check(roundTrips, &quick.Config{MaxCount: 5000}); err != nil {
		t.Error(err)
	}
	for size, want := range map[Size]string{0: "0B", 1: "1B", 1000: "1kB", 1024: "1KiB", 1536: "1536B",
		1024 * 1000: "1000KiB", 3 * MiB: "3MiB", 16 * 1024 * GiB: "16384GiB"} {
		if size.String() != want {
			t.Errorf("Size(%d).String() = %s; want %s", uint64(size), size, want)
		}
	}
}

func FuzzParseSize(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		n, err := ParseSize(text)
		if err != nil {
			if line := err.Error(); line == "" || strings.ContainsFunc(line, Unprintable) {
				t.Errorf("not one line of printable text: %q", line)
			}
			return
		}
		if again, err := ParseSize(n.String()); err != nil || again != n {
			t.Errorf("ParseSize(%q) = %d, but its String %s reads as %d, %v", text, n, n, again, err)
		}
	})
}
