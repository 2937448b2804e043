package attendance

import (
	"slices"
	"testing"
)

func TestRegister(t *testing.T) {
	for _, test := range []struct {
		what      string
		expected  int
		names     []string
		come      []string
		standings []Standing
		joined    int
		absent    []string
	}{
		{"any two", 2, nil, []string{"x", "y"}, []Standing{Counts, Counts}, 2, nil},
		{"one that was started again does not stand for another", 2, nil, []string{"x", "x", "x"},
			[]Standing{Counts, Again, Again}, 1, nil},
		{"more than expected", 1, nil, []string{"x", "y"}, []Standing{Counts, Counts}, 2, nil},
		{"those that are awaited, in any order", 9, []string{"a", "b"}, []string{"b", "a"}, []Standing{Counts, Counts},
			2, nil},
		{"strangers do not complete it", 0, []string{"a", "b", "c"}, []string{"x", "a", "y", "x"},
			[]Standing{Unexpected, Counts, Unexpected, Again}, 1, []string{"b", "c"}},
		{"a name is as it is written", 0, []string{"a"}, []string{"A", "a "}, []Standing{Unexpected, Unexpected}, 0,
			[]string{"a"}},
	} {
		r := New(test.expected, test.names)
		for i, name := range test.come {
			if got := r.Come(name); got != test.standings[i] {
				t.Errorf("%s: client %d (%s) is %d; want %d", test.what, i, name, got, test.standings[i])
			}
		}
		want := test.expected
		if r.ByName() {
			want = len(test.names)
		}
		if r.Joined() != test.joined || r.Expected() != want || !slices.Equal(r.Absent(), test.absent) {
			t.Errorf("%s: %d of %d, absent %q; want %d of %d, %q", test.what, r.Joined(), r.Expected(), r.Absent(),
				test.joined, want, test.absent)
		}
	}
}
