package single

import (
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"bulkhead/supervisor/cluster"
	"bulkhead/supervisor/cluster/contract"
	"bulkhead/supervisor/journal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContract(t *testing.T) {
	contract.Test(t, func(t *testing.T) contract.Joiner {
		return contract.Joiner{Alone: true, Join: func(t testing.TB) cluster.Run {
			r, err := Create(filepath.Join(t.TempDir(), "journal"), contract.Started("run"), journal.Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := r.Close(); err != nil {
					t.Error(err)
				}
			})
			return r
		}}
	})
}
