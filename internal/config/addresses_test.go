package config

import (
	"strings"
	"testing"
)

// One address and several are given alike in files, flags and the environment, by clients and agents.
func TestAddresses(t *testing.T) {
	allow := Override{Key: "allow", Value: "/mnt/under-test:1GiB", Origin: "--allow"}
	for _, tt := range []struct{ yaml, env, flag, want string }{
		{"", "", "", "127.0.0.1:7420"},
		{"supervisor: a:7420", "", "", "a:7420"},
		{"supervisor: a:7420, b:7420", "", "", "a:7420,b:7420"},
		{"supervisor: [a:7420, b:7420]", "", "", "a:7420,b:7420"},
		{"supervisor:\n  - a:7420\n  - '[::1]:7420'\n  - a:7420", "", "", "a:7420,[::1]:7420"},
		{"supervisor: [a:7420, b:7420]", "c:7420,d:7420", "", "c:7420,d:7420"},
		{"supervisor: [a:7420, b:7420]", "c:7420", "e:7420,f:7420", "e:7420,f:7420"},
	} {
		var env []string
		if tt.env != "" {
			env = []string{"BULKHEAD_SUPERVISOR=" + tt.env}
		}
		var flags []Override
		if tt.flag != "" {
			flags = []Override{{Key: "supervisor", Value: tt.flag, Origin: "--supervisor"}}
		}
		file := ""
		if tt.yaml != "" {
			file = write(t, tt.yaml)
		}
		c, err := LoadClient(file, env, flags)
		a, agentErr := LoadAgent(file, env, append(flags, allow))
		if err != nil || agentErr != nil || c.Supervisor.String() != tt.want || a.Supervisor.String() != tt.want {
			t.Errorf("%+v: %s (%v), %s (%v)", tt, c.Supervisor, err, a.Supervisor, agentErr)
		}
	}
	for _, tt := range []struct{ yaml, want string }{
		{"supervisor:\n  - a:7420\n  - b", `:3: supervisor[1]: "b" is not an address; add the port, as in b:7420`},
		{"\nsupervisor: a:7420,b:0", `:2: supervisor: "b:0" has no valid port`},
		{"supervisor: [[a:7420]]", ":1: supervisor[0]: is a list; it must be one value: HOST:PORT"},
		{"supervisor: {a: 7420}", ":1: supervisor: is a map; it must be one value: HOST:PORT"},
		{"supervisor: []", ":1: supervisor: has no address; use HOST:PORT"},
		{"supervisor: [" + strings.Repeat("a:7420, ", 16) + "b:7420]", ":1: supervisor: has more than 16 addresses"},
		{"supervisor:", ":1: supervisor: has no value"},
	} {
		_, err := LoadClient(write(t, tt.yaml), nil, nil)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v; want %s", tt.yaml, err, tt.want)
		}
	}
}
