package pathname_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"bulkhead/internal/pathname"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

func TestWire(t *testing.T) {
	for _, tt := range []struct{ path, text string }{
		{"/mnt/a", "/mnt/a"},
		{"/mnt/ä€😀", "/mnt/ä€😀"},
		{"/mnt/\xff", `/mnt/\xff`},
		{"/mnt/\xc3\x28ä", `/mnt/\xc3(ä`},
		{"/mnt/\x1b[2J", "/mnt/\x1b[2J"},
		{"/" + strings.Repeat("\xff", 2000), "/" + strings.Repeat(`\xff`, 1023) + "…"},
		{strings.Repeat("x", 5000), strings.Repeat("x", 5000)}, // whoever takes it says that it is too long
	} {
		text, raw := pathname.Wire(tt.path)
		if text != tt.text || (raw == nil) != utf8.ValidString(tt.path) {
			t.Errorf("%.20q is carried as %.40q, %.20q; want %.40q", tt.path, text, raw, tt.text)
		}
		if got := pathname.Of(&bulkheadv1.Rollover{Path: text, PathBytes: raw}); got != tt.path {
			t.Errorf("%.20q arrives as %.20q", tt.path, got)
		}
	}
}

func TestPrintable(t *testing.T) {
	if got := pathname.Printable("/mnt/\x1b[2J\xffä\n"); got != `/mnt/\x1b[2J\xffä\x0a` {
		t.Errorf("got %q", got)
	}
	if got := pathname.Text("a\nb\xff"); got != "a\nb\\xff" {
		t.Errorf("got %q", got)
	}
}

func FuzzWire(f *testing.F) {
	f.Add("/mnt/\xff")
	f.Fuzz(func(t *testing.T, path string) {
		text, raw := pathname.Wire(path)
		if !utf8.ValidString(text) || len(raw) > 0 && len(text) > 4096 {
			t.Errorf("%q is carried as %q", path, text)
		}
		if got := pathname.Of(&bulkheadv1.Corruption{Path: text, PathBytes: raw}); got != path {
			t.Errorf("%q arrives as %q", path, got)
		}
	})
}
