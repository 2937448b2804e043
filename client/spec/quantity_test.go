package spec

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestClipFitsAMessage(t *testing.T) {
	for _, s := range []string{"", "short", "a\xffb", strings.Repeat("é", 5000), "x" + strings.Repeat("é", 5000)} {
		got := Clip(s)
		if len(got) > textMaxBytes || !utf8.ValidString(got) ||
			len(s) < textMaxBytes && len(got) < len(strings.ToValidUTF8(s, "")) {
			t.Errorf("clip of %d bytes = %d bytes, valid %v", len(s), len(got), utf8.ValidString(got))
		}
	}
}
