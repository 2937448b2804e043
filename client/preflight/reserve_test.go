package preflight

import (
	"testing"

	"bulkhead/internal/workload"
)

func TestReserve(t *testing.T) {
	fs := room{free: 1, total: 1000}
	for r, want := range map[workload.Reserve]uint64{{}: 0, {Bytes: 70}: 70, {Percent: 5}: 50, {Bytes: 70,
		Percent: 5}: 50,
		{Bytes: 20, Percent: 5}: 20} {
		if got := reservedBytes(r, fs); got != want {
			t.Errorf("%+v of %+v = %d; want %d", r, fs, got, want)
		}
	}
}
