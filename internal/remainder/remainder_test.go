package remainder

import "testing"

func TestID(t *testing.T) {
	client := []byte("0123456789abcdef")
	id := ID(client, "a", 5)
	if again := ID([]byte("0123456789abcdef"), "a", 5); again != id {
		t.Errorf("%x, then %x", id, again)
	}
	for name, other := range map[string][IDBytes]byte{
		"client": ID([]byte("0123456789abcdeg"), "a", 5),
		"run":    ID(client, "b", 5),
		"after":  ID(client, "a", 6),
		"itself": [IDBytes]byte(client),
	} {
		if other == id {
			t.Errorf("the id of another %s is the same", name)
		}
	}
}

func TestParseOver(t *testing.T) {
	for _, o := range []Over{
		{"lost", 17, "20260302T140210Z-7f3a91", "no connection for 30s; the last one ended: reset (by peer)"},
		{"quarantined", 0, "r", "two\nlines"},
		{"rejected", 1<<64 - 1, "r", ""},
	} {
		if got, ok := ParseOver(o.String()); !ok || got != o {
			t.Errorf("%q is read as %+v, %v", o, got, ok)
		}
	}
	for _, bad := range []string{
		"", "this session is over: lost", "the run is ending; it takes no new clients",
		"this session is over: lost after message 99999999999999999999 of run r (c)",
		"this session is over: lost after message -1 of run r (c)",
		"client \"this session is over: lost after message 1 of run r (c)",
	} {
		if got, ok := ParseOver(bad); ok {
			t.Errorf("%q is read as %+v", bad, got)
		}
	}
}
