package saturated

import (
	"math"
	"testing"
)

func TestAmountsNeverWrap(t *testing.T) {
	for _, row := range []struct{ got, want uint64 }{
		{Add(2, 3), 5}, {Add(math.MaxUint64, 0), math.MaxUint64}, {Add(math.MaxUint64-1, 2), math.MaxUint64},
		{Mul(2, 3), 6}, {Mul(0, math.MaxUint64), 0}, {Mul(1<<32, 1<<32), math.MaxUint64},
	} {
		if row.got != row.want {
			t.Errorf("got %d; want %d", row.got, row.want)
		}
	}
}
