package protocol_test

import (
	"strings"
	"testing"

	"bulkhead/internal/protocol"
)

func TestWho(t *testing.T) {
	const control = "holds a line break or another control character; use printable text"
	long := func(n int) string { return strings.Repeat("x", n) }
	label := func(name string) func(string) error {
		return func(value string) error { return protocol.CheckLabel(name, value) }
	}
	for _, row := range []struct {
		check func(string) error
		value string
		want  string // "" if nothing is wrong
	}{
		{protocol.CheckName, "rack 1", ""},
		{protocol.CheckName, long(128), ""},
		{protocol.CheckName, long(129), "is 129 bytes long; use at most 128"},
		{protocol.CheckName, "", "is empty; give a value"},
		{protocol.CheckName, " a", "begins or ends with a space; remove it"},
		{protocol.CheckName, "a\n", "begins or ends with a space; remove it"},
		{protocol.CheckName, "a\nb", control},
		{protocol.CheckName, "a\xffb", "is not UTF-8 text"},

		{protocol.CheckToken, "", ""},
		{protocol.CheckToken, " a b ", ""},
		{protocol.CheckToken, long(1024), ""},
		{protocol.CheckToken, long(1025), "is 1025 bytes long; use at most 1024"},
		{protocol.CheckToken, "a\x00", control},
		{protocol.CheckToken, "\xff", "is not UTF-8 text"},

		{label("rack"), "", ""},
		{label(long(128)), long(128), ""},
		{label(""), "a3", `label name "" is empty; give a value`},
		{label(long(129)), "a3", `label name "` + long(60) + `…" is 129 bytes long; use at most 128`},
		{label("rack"), long(129), `label value "` + long(60) + `…" is 129 bytes long; use at most 128`},
		{label("a\tb"), "a3", `label name "a\tb" ` + control},
		{label("rack"), "\xff", `label value "\xff" is not UTF-8 text`},
	} {
		got := ""
		if err := row.check(row.value); err != nil {
			got = err.Error()
		}
		if got != row.want {
			t.Errorf("%.20q: %q; want %q", row.value, got, row.want)
		}
	}
}

func TestLabelCount(t *testing.T) {
	if err := protocol.CheckLabelCount(32); err != nil {
		t.Error(err)
	}
	if err := protocol.CheckLabelCount(33); err == nil || err.Error() != "has 33 labels; use at most 32" {
		t.Errorf("33 labels: %v", err)
	}
}
