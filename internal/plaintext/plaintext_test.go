package plaintext

import (
	"strings"
	"testing"
)

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
		if got := Line(test.in, test.limit); got != test.want {
			t.Errorf("clean(%q, %d) = %q, want %q", test.in, test.limit, got, test.want)
		}
	}
}

// Texts come by the thousand in one Hello: cleaning one allocates once, whatever is in it.
func TestLineAllocatesOnce(t *testing.T) {
	for _, piece := range []string{"<", "ü", "\n\u202e"} {
		s := strings.Repeat(piece, 2*MaxText)
		if n := testing.AllocsPerRun(100, func() { Line(s, MaxText) }); n > 1 {
			t.Errorf("cleaning %d times %q allocates %v times", 2*MaxText, piece, n)
		}
	}
}
