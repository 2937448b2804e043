package folded

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/fold"
)

// All folds records that are all in order. Of the records of a test that are not too many it
// sees that the report is the same, but for its texts, when every text in them is another one.
func All(t testing.TB, records []*bulkheadv1.Record) *report.Report {
	t.Helper()
	r := Once(t, records)
	if _, isTest := t.(*testing.T); isTest && len(records) <= mostReworded {
		Same(t, records, r, "text ")
	}
	return r
}

// mostReworded is the most records that All folds a second time.
const mostReworded = 400

// Same fails the test if r, the report of records, differs in more than its texts from the
// report of the same records with other texts, which begin with lead.
func Same(t testing.TB, records []*bulkheadv1.Record, r *report.Report, lead string) {
	t.Helper()
	others := Reworded(records, lead)
	if others == nil {
		return
	}
	if diff := cmp.Diff(Wordless(r), Wordless(Once(t, others))); diff != "" {
		t.Errorf("the report hangs on the words of the records: with texts that begin with %q it differs (-as told "+
			"+reworded):\n%s", lead, diff)
	}
}

// Once folds records that are all in order, as they are.
func Once(t testing.TB, records []*bulkheadv1.Record) *report.Report {
	t.Helper()
	f := fold.NewFolder()
	for _, r := range records {
		if err := f.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	return f.Report()
}
