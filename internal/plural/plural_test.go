package plural

import "testing"

func TestOf(t *testing.T) {
	for _, row := range []struct {
		n           uint64
		thing, want string
	}{
		{0, "file", "0 files"}, {1, "file", "1 file"}, {2, "file", "2 files"}, {1001, "byte", "1001 bytes"},
		{1, "batch", "1 batch"}, {2, "batch", "2 batches"}, {2, "process", "2 processes"}, {1, "process", "1 process"},
		{3, "entry", "3 entries"}, {1, "entry", "1 entry"}, {2, "day", "2 days"}, {2, "more place", "2 more places"},
	} {
		if got := Of(row.n, row.thing); got != row.want {
			t.Errorf("Of(%d, %q) = %q; want %q", row.n, row.thing, got, row.want)
		}
	}
}
