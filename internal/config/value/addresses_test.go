package value

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestParseAddresses(t *testing.T) {
	for _, tt := range []struct{ text, want, wrong string }{
		{"a:7420", "a:7420", ""},
		{"a:7420,b:7420", "a:7420,b:7420", ""},
		{"a:7420, b:7420", "a:7420,b:7420", ""},
		{"a:7420,A:7420,a.:7420", "a:7420", ""},
		{"[::1]:7420,[0:0::1]:7420,[::ffff:127.0.0.1]:1,127.0.0.1:1", "[::1]:7420,[::ffff:127.0.0.1]:1", ""},
		{"a:7420,a:7421", "a:7420,a:7421", ""},
		{"[fe80::7%eth0]:7420,[fe80::7%eth1]:7420", "[fe80::7%eth0]:7420,[fe80::7%eth1]:7420", ""},
		{"", "", `"" is not an address; use HOST:PORT, as in 127.0.0.1:7420`},
		{"a:7420,", "", `"" is not an address; use HOST:PORT, as in 127.0.0.1:7420`},
		{"a:7420 b:7420", "", "is not an address"},
		{"a:7420;b:7420", "", "is not an address"},
		{"a:7420,:7420", "", `":7420" is not an address`},
		{"a:7420,b:0", "", `"b:0" has no valid port`},
		{"a:7420,b", "", `"b" is not an address`},
		{strings.Repeat("h", 300) + ":1", "", "is too long; use at most 270 bytes"},
		{many(MaxAddresses), many(MaxAddresses), ""},
		{many(MaxAddresses + 1), "", "has more than 16 addresses; use at most 16"},
		{many(100_000), "", "has more than 16 addresses; use at most 16"},
	} {
		got, err := ParseAddresses(tt.text)
		if got.String() != tt.want || (err == nil) != (tt.wrong == "") ||
			err != nil && !strings.Contains(err.Error(), tt.wrong) {
			t.Errorf("%.60q: %s, %v; want %s, %s", tt.text, got, err, tt.want, tt.wrong)
		}
	}
	if _, err := NewAddresses(nil); err == nil {
		t.Error("no address at all is taken")
	}
}

func many(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf("h%d:7420", i))
	}
	return strings.Join(list, ",")
}

// What is read as addresses is read the same again, and none is there twice.
func FuzzAddresses(f *testing.F) {
	for _, seed := range []string{"a:7420", "a:7420, b:7420", "[fe80::1%eth0]:1,a:1", "[::1]:7420,[0::1]:7420", ",",
		"a:1,A.:1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		all, err := ParseAddresses(text)
		if err != nil {
			return
		}
		again, err := ParseAddresses(all.String())
		if err != nil || !slices.Equal(all, again) || len(all) > MaxAddresses {
			t.Fatalf("%q: %q, then %q (%v)", text, all, again, err)
		}
		for i, a := range all {
			twice := func(b string) bool { return SameAddress(a, b) }
			if CheckAddress(false)(a) != nil || slices.ContainsFunc(all[:i], twice) {
				t.Fatalf("%q: %q", text, all)
			}
		}
	})
}
