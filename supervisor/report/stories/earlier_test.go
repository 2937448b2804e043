package stories

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"bulkhead/supervisor/report/fold"
	"bulkhead/supervisor/report/render"
)

// A journal that an earlier version wrote, of a run in which a handler was killed and a client
// interrupted, gives the report that this version made then.
func TestReportOfAnEarlierJournal(t *testing.T) {
	folder := filepath.Join("testdata", "earlier")
	r, err := fold.FromJournal(filepath.Join(folder, "journal"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(filepath.Join(folder, "report.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if got := written(t, func(w io.Writer) error { return render.Text(r, w) }); string(got) != string(want) {
		t.Errorf("the report of that journal is another one now:\n%s", got)
	}
}
