package folded

import (
	"testing"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/fold"
)

// All folds records that are all in order.
func All(t testing.TB, records []*bulkheadv1.Record) *report.Report {
	t.Helper()
	f := fold.NewFolder()
	for _, r := range records {
		if err := f.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	return f.Report()
}
