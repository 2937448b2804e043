package report

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
)

func TestHumanDurations(t *testing.T) {
	tests := map[int64]string{
		0: "0s", 1: "1ns", 999: "999ns", 1000: "1µs", 1234: "1.23µs", 340_000: "340µs", 999_499: "999µs", 999_500: "1ms",
		1_200_000: "1.2ms", 12_345_678: "12.3ms", 999_600_000: "1s", 1_500_000_000: "1.5s", 20_100_000_000: "20.1s",
		59_949_000_000: "59.9s", 59_960_000_000: "1m00s", int64(62 * time.Second): "1m02s",
		int64(3723 * time.Second): "1h02m03s", int64(51*time.Hour + 4*time.Minute): "2d03h04m", -2_400_000_000: "-2.4s",
		math.MaxInt64: "106751d23h47m", math.MinInt64: "-3650d00h00m",
	}
	for nano, want := range tests {
		if got := human(nano); got != want {
			t.Errorf("human(%d) = %q, want %q", nano, got, want)
		}
	}
}

func TestHumanSizes(t *testing.T) {
	tests := map[uint64]string{0: "0 B", 999: "999 B", 1000: "1 kB", 1_048_576: "1.05 MB", 67_108_864: "67.1 MB", 999_499: "999 kB",
		999_500: "1 MB", 12_345_000_000: "12.3 GB", math.MaxUint64: "9.22 EB"}
	for bytes, want := range tests {
		if got := size(bytes); got != want {
			t.Errorf("size(%d) = %q, want %q", bytes, got, want)
		}
	}
}

func TestHumanNumbers(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1 000", 14201: "14 201", 1234567: "1 234 567"} {
		if got := count(n); got != want {
			t.Errorf("count(%d) = %q, want %q", n, got, want)
		}
	}
	for rate, want := range map[uint64]string{0: none, 900: "0.001", 61_440_000: "61.4", 999_940_000: "999.9", 3_600_000_000: "3 600"} {
		if got := megabytes(rate); got != want {
			t.Errorf("megabytes(%d) = %q, want %q", rate, got, want)
		}
	}
}

func TestRates(t *testing.T) {
	tests := []struct {
		amount uint64
		nano   int64
		want   uint64
	}{{0, 1, 0}, {10, 0, 0}, {10, -5, 0}, {1e9, 2e9, 5e8}, {math.MaxUint64, 1, 0}, {math.MaxUint64, 1e9, math.MaxUint64}}
	for _, test := range tests {
		if got := perSecond(test.amount, test.nano); got != test.want {
			t.Errorf("perSecond(%d, %d) = %d, want %d", test.amount, test.nano, got, test.want)
		}
	}
}

func TestClean(t *testing.T) {
	tests := []struct {
		in    string
		limit int
		want  string
	}{
		{"plain text", 10, "plain text"},
		{"größe 日本", 40, "größe 日本"},
		{"a\x1b[31mb\nc\td\re\x00", 40, `a\x1b[31mb\nc\td\re\x00`},
		{"\u009b\u202e\u2028\U000e0001", 60, `\x9b\u202e\u2028\U000e0001`},
		{"bad \xff\xc3", 40, `bad \xff\xc3`},
		{"\ufffd stays", 40, "\ufffd stays"},
		{"abcdef", 3, "abc…"},
		{"ab\x1b", 4, "ab…"}, // an escape is never cut in two
		{"", 3, ""},
	}
	for _, test := range tests {
		if got := clean(test.in, test.limit); got != test.want {
			t.Errorf("clean(%q, %d) = %q, want %q", test.in, test.limit, got, test.want)
		}
	}
}

func TestShortenCountsColumns(t *testing.T) {
	tests := []struct {
		in    string
		width int
		want  string
	}{{"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"日本語", 6, "日本語"}, {"日本語", 5, "日本…"}, {"日本語", 4, "日…"}, {"e\u0301e\u0301", 2, "e\u0301e\u0301"}}
	for _, test := range tests {
		if got := shorten(test.in, test.width); got != test.want {
			t.Errorf("shorten(%q, %d) = %q, want %q", test.in, test.width, got, test.want)
		}
	}
}

// Names that differ at their ends alone still differ when they are cut, and no further
// than the last column needs.
func TestTableCutsNamesInTheMiddle(t *testing.T) {
	if got := abridge("日本語日本語日本語", 9); got != "日…日本語" {
		t.Errorf("wide characters became %q", got)
	}
	table := newTable("client", "figures", "cause")
	table.names = "client"
	for _, n := range []string{"1", "2"} {
		table.row("storage-perf-cluster-node-00"+n, "1 2 3", "said goodbye")
	}
	var b bytes.Buffer
	table.write(&b, "", 38)
	want := "client           figures  cause\n" +
		"stora…-node-001  1 2 3    said goodbye\nstora…-node-002  1 2 3    said goodbye\n"
	if got := b.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestTableLeavesOutEmptyColumns(t *testing.T) {
	table := newTable("name", ">n", "empty", "path")
	table.keepEnd = true
	table.row("日本", "7", "", "/a/long/path/to/the/file.dat")
	table.row("x", "1 000", "", "")
	var b bytes.Buffer
	table.write(&b, "  ", 0)
	want := "  name      n  path\n  日本      7  …he/file.dat\n  x     1 000\n"
	if got := b.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestStamps(t *testing.T) {
	for _, s := range []Stamp{0, 1, Stamp(runStart.UnixNano()), Stamp(maxTime)} {
		data, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var back Stamp
		if err := json.Unmarshal(data, &back); err != nil || back != s {
			t.Errorf("%d became %s and %d (%v)", s, data, back, err)
		}
	}
	var s Stamp
	for _, bad := range []string{`5`, `"yesterday"`} {
		if err := json.Unmarshal([]byte(bad), &s); err == nil || !strings.Contains(err.Error(), "reading time") {
			t.Errorf("%s: error %v", bad, err)
		}
	}
	next := Stamp(runStart.Add(24 * time.Hour).UnixNano())
	if got := timeOfDay(Stamp(runStart.UnixNano()), next); got != "2026-03-03 14:02:10.120" {
		t.Errorf("the next day is %q", got)
	}
}
