package reserve

import "testing"

// TestHandlersFitIntoWhatIsLeft counts handlers, and which of them may take of the reserve.
func TestHandlersFitIntoWhatIsLeft(t *testing.T) {
	for _, tt := range []struct {
		name                          string
		left, each, starting, reserve uint64
		away, want                    int
	}{
		{name: "plenty", left: 1000, each: 8, reserve: 16, want: 123},
		{name: "plenty, and sessions are away", left: 1000, each: 8, reserve: 16, away: 500, want: 124},
		{name: "those that start have theirs", left: 100, each: 8, starting: 10, reserve: 4, want: 2},
		{name: "just enough", left: 15, each: 8, reserve: 7, want: 1},
		{name: "one too few", left: 14, each: 8, reserve: 7, want: 0},
		{name: "one too few, and a session is away", left: 14, each: 8, reserve: 7, away: 1, want: 1},
		{name: "all but the last of the reserve is taken", left: 9, each: 8, reserve: 7, away: 1, want: 1},
		{name: "the last of the reserve stays", left: 8, each: 8, reserve: 7, away: 1, want: 0},
		{name: "the reserve is for as many as are away", left: 31, each: 8, reserve: 15, away: 1, want: 2},
		{name: "another takes it already", left: 14, each: 8, starting: 1, reserve: 7, away: 2, want: 0},
		{name: "nothing is left", left: 0, each: 8, starting: 3, reserve: 7, away: 9, want: 0},
	} {
		if got := handlersIn(tt.left, tt.each, tt.starting, tt.reserve, tt.away); got != tt.want {
			t.Errorf("%s: %d handlers fit; want %d", tt.name, got, tt.want)
		}
	}
}
