package handshake_test

import (
	"testing"

	"bulkhead/internal/child/handshake"
)

func TestTheVersionOfALine(t *testing.T) {
	for line, want := range map[string]int{
		handshake.Line("/s"):             handshake.Version,
		handshake.Line("/s")[:4]:         handshake.Version,
		"1|1|unix|/tmp/plugin|grpc|":     1,
		"1|65535|":                       65535,
		"":                               0,
		"hello":                          0,
		"1|2":                            0, // there may be more of it
		"1||unix":                        0,
		"1|-1|unix":                      0,
		"1|65536|":                       0,
		"2|2|unix|/tmp/plugin|grpc|":     0, // of another core
		"bulkhead-handler: 1|2|unix|/s|": 0,
	} {
		if got := handshake.VersionIn(line); got != want {
			t.Errorf("%q is of version %d; want %d", line, got, want)
		}
	}
}
