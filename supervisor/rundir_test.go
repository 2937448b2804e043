package supervisor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/journal"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/rundir"
)

// What a run failed for is told by the error, whatever it says.
func TestFailureIsOfTheErrorNotItsWords(t *testing.T) {
	full := os.WriteFile("/dev/full", []byte("x"), 0)
	for _, test := range []struct {
		failure error
		want    string
		remedy  string
	}{
		{fmt.Errorf("%w: writing: %w", journal.ErrFailed, full), report.FailureFullDisk,
			"free space in the state directory and "},
		{fmt.Errorf("%w: no space left on device, says a text", journal.ErrFailed), "", "once that is fixed, "},
	} {
		dir := t.TempDir()
		j, err := journal.Create(filepath.Join(dir, rundir.JournalFolder), journal.Options{Sync: journal.SyncNone})
		if err != nil {
			t.Fatal(err)
		}
		err = errors.Join(j.Append(t.Context(),
			&bulkheadv1.Record{TimeUnixNano: 1,
				Entry: &bulkheadv1.Record_RunStarted{RunStarted: &bulkheadv1.RunStarted{RunId: "r"}}}), j.Close())
		if err != nil {
			t.Fatal(err)
		}
		r, err := writeReport(dir, test.failure)
		if err != nil {
			t.Fatal(err)
		}
		if r.Run.Failure != test.want || !strings.Contains(r.Run.EndDetail, test.remedy) {
			t.Errorf("%v: failure %q, %q; want %q and %q", test.failure, r.Run.Failure, r.Run.EndDetail, test.want,
				test.remedy)
		}
	}
}
