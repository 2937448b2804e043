package human

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestHumanDurations(t *testing.T) {
	tests := map[int64]string{
		0: "0s", 1: "1ns", 999: "999ns", 1000: "1µs", 1234: "1.23µs", 340_000: "340µs", 999_499: "999µs",
		999_500:   "1ms",
		1_200_000: "1.2ms", 12_345_678: "12.3ms", 999_600_000: "1s", 1_500_000_000: "1.5s", 20_100_000_000: "20.1s",
		59_949_000_000: "59.9s", 59_960_000_000: "1m00s", int64(62 * time.Second): "1m02s",
		int64(3723 * time.Second): "1h02m03s", int64(51*time.Hour + 4*time.Minute): "2d03h04m", -2_400_000_000: "-2.4s",
		math.MaxInt64: "106751d23h47m", math.MinInt64: "-106751d23h47m",
	}
	for nano, want := range tests {
		if got := Duration(nano); got != want {
			t.Errorf("human(%d) = %q, want %q", nano, got, want)
		}
	}
}

func TestHumanSizes(t *testing.T) {
	tests := map[uint64]string{0: "0 B", 999: "999 B", 1000: "1 kB", 1_048_576: "1.05 MB", 67_108_864: "67.1 MB",
		999_499: "999 kB",
		999_500: "1 MB", 12_345_000_000: "12.3 GB", math.MaxUint64: "18.4 EB"}
	for bytes, want := range tests {
		if got := Size(bytes); got != want {
			t.Errorf("size(%d) = %q, want %q", bytes, got, want)
		}
	}
}

func TestHumanNumbers(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1 000", 14201: "14 201", 1234567: "1 234 567"} {
		if got := Count(n); got != want {
			t.Errorf("count(%d) = %q, want %q", n, got, want)
		}
	}
	for rate, want := range map[uint64]string{0: None, 900: "0.001", 61_440_000: "61.4", 999_940_000: "999.9",
		3_600_000_000: "3 600"} {
		if got := Megabytes(rate); got != want {
			t.Errorf("megabytes(%d) = %q, want %q", rate, got, want)
		}
	}
}

func TestShortenCountsColumns(t *testing.T) {
	tests := []struct {
		in    string
		width int
		want  string
	}{{"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"日本語", 6, "日本語"}, {"日本語", 5, "日本…"}, {"日本語", 4, "日…"},
		{"e\u0301e\u0301", 2, "e\u0301e\u0301"}}
	for _, test := range tests {
		if got := Shorten(test.in, test.width); got != test.want {
			t.Errorf("shorten(%q, %d) = %q, want %q", test.in, test.width, got, test.want)
		}
	}
}

func TestWrap(t *testing.T) {
	for text, want := range map[string][]string{
		"":                         {""},
		"short":                    {"short"},
		"one two three":            {"one two", "three"},
		"a /very/long/path/of b c": {"a", "/very/long/path/of", "b c"},
		"one\ntwo three four":      {"one", "  two", "  three", "  four"},
		"–– –– –– ––":              {"–– –– ––", "––"},
	} {
		if diff := cmp.Diff(want, Wrap(text, 8)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}
