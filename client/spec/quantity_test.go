package spec

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestSizeText(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0B", 999: "999B", 1000: "1.0kB", 1 << 10: "1KiB", 64 << 20: "64MiB", 25_000_000: "25.0MB",
		10_000 << 20: "10.5GB", ^uint64(0): "18.4EB",
	} {
		if got := Size(n); got != want {
			t.Errorf("SizeText(%d) = %q; want %q", n, got, want)
		}
	}
}

func TestDurationText(t *testing.T) {
	for d, want := range map[time.Duration]string{
		1234567: "1ms", 412345678: "412ms", 1449 * time.Millisecond: "1.4s", 28_400 * time.Millisecond: "28s",
	} {
		if got := Duration(d); got != want {
			t.Errorf("durationText(%d) = %q; want %q", d, got, want)
		}
	}
}

func TestClipFitsAMessage(t *testing.T) {
	for _, s := range []string{"", "short", "a\xffb", strings.Repeat("é", 5000), "x" + strings.Repeat("é", 5000)} {
		got := Clip(s)
		if len(got) > textMaxBytes || !utf8.ValidString(got) || len(s) < textMaxBytes && len(got) < len(strings.ToValidUTF8(s, "")) {
			t.Errorf("clip of %d bytes = %d bytes, valid %v", len(s), len(got), utf8.ValidString(got))
		}
	}
}

func TestSumsSaturate(t *testing.T) {
	const most = ^uint64(0)
	if Add(most, 1) != most || Mul(most, 2) != most || Add(2, 3) != 5 || Mul(2, 3) != 6 {
		t.Error("add or mul is wrong")
	}
}
