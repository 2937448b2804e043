package fold

import (
	"testing"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
)

// folded folds records that are all in order.
func folded(t testing.TB, records []*bulkheadv1.Record) *report.Report {
	t.Helper()
	f := NewFolder()
	for _, r := range records {
		if err := f.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	return f.Report()
}
