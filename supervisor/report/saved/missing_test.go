package saved

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"bulkhead/supervisor/journal"
)

func TestMissingFrom(t *testing.T) {
	const made = `{"run":{"end":%q},"journal":{"records":%d}}`
	whole := journal.Report{Summary: journal.Summary{Records: 7}, Ended: true}
	open := journal.Report{Summary: journal.Summary{Records: 7}}
	damaged := open
	damaged.Damage = new(journal.CorruptError)
	for name, test := range map[string]struct {
		report string
		found  journal.Report
		want   string
	}{
		"no report": {"", open, ""},
		"whole":     {fmt.Sprintf(made, "done", 7), whole, ""},
		"records gone": {fmt.Sprintf(made, "", 8), open,
			"report.json was made from 8 records, and the journal has 7"},
		"no end": {fmt.Sprintf(made, "drained", 7), open,
			"report.json says that the run has ended (drained), and the journal has no end"},
		"it had to stop":       {fmt.Sprintf(made, "failed", 7), open, ""},
		"resumed since":        {fmt.Sprintf(made, "failed", 3), whole, ""},
		"the damage says more": {fmt.Sprintf(made, "done", 8), damaged, ""},
		"no JSON":              {"<html>", open, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if test.report != "" {
				if err := os.WriteFile(filepath.Join(dir, "report.json"), []byte(test.report), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if got := missingFrom(dir, test.found); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}
