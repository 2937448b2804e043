package plaintext

import (
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	const control = "holds a line break or another control character; use printable text"
	for _, row := range []struct {
		s           string
		text, bytes string // what Check and CheckBytes say
	}{
		{"größe 日本", "", ""},
		{"", "is empty; give a value", "is empty; give a value"},
		{strings.Repeat("x", 20), "", ""},
		{strings.Repeat("x", 21), "is 21 bytes long; use at most 20", "is 21 bytes long; use at most 20"},
		{strings.Repeat("\xff", 21), "is 21 bytes long; use at most 20", "is 21 bytes long; use at most 20"},
		{"a\xffb", "is not UTF-8 text", ""},
		{"a\xff\nb", "is not UTF-8 text", control},
		{"a\nb", control, control},
		{"a\u202eb", control, control},
		{"a\u00a0b", control, control},
	} {
		if got := words(Check(row.s, 1, 20)); got != row.text {
			t.Errorf("%q as a text: %q; want %q", row.s, got, row.text)
		}
		if got := words(CheckBytes(row.s, 1, 20)); got != row.bytes {
			t.Errorf("%q as bytes: %q; want %q", row.s, got, row.bytes)
		}
	}
	if err := Check("", 0, 20); err != nil {
		t.Error(err)
	}
}

func words(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestQuoteIsShortAndPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"plain": `"plain"`, "a\nb": `"a\nb"`, "\x1b[31m": `"\x1b[31m"`, "\xff": `"\xff"`,
		"grüße": `"grüße"`, "": `""`, strings.Repeat("\xff", 1000): `"` + strings.Repeat("�", MaxQuoted) + `…"`,
	} {
		if got := Quote(text); got != want {
			t.Errorf("Quote(%q) = %s; want %s", text, got, want)
		}
	}
	for _, unit := range []string{"a", "ü", "漢", "🚢"} {
		long := ""
		for range MaxQuoted {
			long += unit
		}
		if got, want := Quote(long), `"`+long+`"`; got != want {
			t.Errorf("Quote of %d times %s = %s; want it whole", MaxQuoted, unit, got)
		}
		if got, want := Quote(long+unit), `"`+long+`…"`; got != want {
			t.Errorf("Quote of %d times %s = %s; want it cut", MaxQuoted+1, unit, got)
		}
	}
}
