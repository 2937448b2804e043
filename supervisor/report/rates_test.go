package report

import (
	"math"
	"testing"
)

func TestRates(t *testing.T) {
	tests := []struct {
		amount uint64
		nano   int64
		want   uint64
	}{{0, 1, 0}, {10, 0, 0}, {10, -5, 0}, {1e9, 2e9, 5e8}, {math.MaxUint64, 1, 0},
		{math.MaxUint64, 1e9, math.MaxUint64}}
	for _, test := range tests {
		if got := PerSecond(test.amount, test.nano); got != test.want {
			t.Errorf("perSecond(%d, %d) = %d, want %d", test.amount, test.nano, got, test.want)
		}
	}
}

// Nothing is joined that is not a list of numbers, whatever texts say.
func TestJoinNumbers(t *testing.T) {
	for before, want := range map[string]string{
		"{\n  \"a\": [\n    1,\n    -2.5,\n    3\n  ]\n}": "{\n  \"a\": [1, -2.5, 3]\n}",
		"[\n  \"[\",\n  \"7\"\n]":                         "[\n  \"[\",\n  \"7\"\n]",
		"[\n  {\n    \"x\": 1\n  }\n]":                    "[\n  {\n    \"x\": 1\n  }\n]",
		"[\n  [\n    1\n  ],\n  [\n    2\n  ]\n]":         "[\n  [1],\n  [2]\n]",
		"7": "7",
		"":  "",
	} {
		if got := string(joinNumbers([]byte(before))); got != want {
			t.Errorf("%q became %q, want %q", before, got, want)
		}
	}
}
