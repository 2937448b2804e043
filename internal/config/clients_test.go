package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bulkhead/internal/config/value"
)

// Who is awaited is a number or names, from every source.
func TestClients(t *testing.T) {
	abc := value.Clients{Count: 3, Names: []string{"a", "b c", "3"}}
	one := value.Clients{Count: 1, Names: []string{"alpha"}}
	for _, test := range []struct {
		file, env, flag string
		want            value.Clients
	}{
		{"clients: 7", "", "", value.Clients{Count: 7}},
		{`clients: [a, "b c", 3]`, "", "", abc},
		{"clients:\n- alpha\n", "", "", one},
		{`clients: "a, b c ,3"`, "", "", abc},
		{"clients: 7", "a,b c,3", "", abc},
		{"clients: [x]", "a,b c,3", "alpha,", one},
		{"clients: [x, y]", "", "2", value.Clients{Count: 2}},
	} {
		var env []string
		if test.env != "" {
			env = append(env, "BULKHEAD_CLIENTS="+test.env)
		}
		var flags []Override
		if test.flag != "" {
			flags = append(flags, Override{Key: "clients", Value: test.flag, Origin: "--clients"})
		}
		s, err := LoadSupervisor(write(t, test.file), env, flags)
		if err != nil {
			t.Errorf("%q, %q, %q: %v", test.file, test.env, test.flag, err)
			continue
		}
		if diff := cmp.Diff(test.want, s.Clients); diff != "" {
			t.Errorf("%q, %q, %q (-want +got):\n%s", test.file, test.env, test.flag, diff)
		}
		if again, err := value.ParseClients(s.Clients.String()); err != nil || cmp.Diff(again, s.Clients) != "" {
			t.Errorf("%q reads back as %+v, %v", s.Clients, again, err)
		}
	}
	for file, want := range map[string]string{
		"clients: alpha":       `"alpha" is not a whole number; use 1 to 100000, or names, as in alpha,bravo`,
		"clients: 3x":          `"3x" is not a whole number`,
		`clients: "a,,b"`:      "has a name that is empty",
		`clients: ["a "]`:      "has a name that begins or ends with a space",
		`clients: ","`:         "has a name that is empty",
		"clients: [a, b, a]":   `has "a" twice; a name counts once`,
		"clients: []":          "is an empty list",
		"clients: [[a]]":       "clients[0]: is a list; it must be one value: a name",
		"clients: {a: b}":      "clients: is a map",
		"clients: [\"a\\tb\"]": "has a name that holds a line break",
		"clients: [" + strings.Repeat("n", 129) +
			"]": "has a name that is 129 bytes long; use at most 128",
		"clients: [a" + strings.Join(make([]string, 10_001), ",a") + "]": "has 10001 names; use at most 10000",
	} {
		if _, err := LoadSupervisor(write(t, file), nil, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v; want %q", file, err, want)
		}
	}
}
