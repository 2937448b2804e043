package config

import (
	"testing"
	"time"
)

func TestFormatDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", time.Second: "1s", 90 * time.Second: "1m30s", time.Minute: "1m", 10 * time.Minute: "10m", time.Hour: "1h",
		24 * time.Hour: "24h", time.Hour + time.Second: "1h0m1s", 90 * time.Minute: "1h30m", 1500 * time.Millisecond: "1.5s",
		10*time.Hour + 10*time.Second: "10h0m10s",
	} {
		got := formatDuration(d)
		if got != want {
			t.Errorf("formatDuration(%d) = %s; want %s", d, got, want)
		}
		if back, err := parseDuration(got); err != nil || back != d {
			t.Errorf("parseDuration(%s) = %v, %v; want %v", got, back, err, d)
		}
	}
}

func TestQuoteIsShortAndPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"plain": `"plain"`, "a\nb": `"a\nb"`, "\x1b[31m": `"\x1b[31m"`, "\xff": `"\xff"`,
		"grüße": `"grüße"`,
	} {
		if got := quote(text); got != want {
			t.Errorf("quote(%q) = %s; want %s", text, got, want)
		}
	}
	for _, unit := range []string{"a", "ü", "漢", "🚢"} {
		long := ""
		for range maxQuoted {
			long += unit
		}
		if got, want := quote(long), `"`+long+`"`; got != want {
			t.Errorf("quote of %d times %s = %s; want it whole", maxQuoted, unit, got)
		}
		if got, want := quote(long+unit), `"`+long+`…"`; got != want {
			t.Errorf("quote of %d times %s = %s; want it cut", maxQuoted+1, unit, got)
		}
	}
}
