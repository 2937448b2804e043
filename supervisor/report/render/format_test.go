package render

import (
	"testing"

	"bulkhead/supervisor/report"
)

func TestFormatsAreToldApart(t *testing.T) {
	owner := make(map[string]Form)
	for _, f := range Formats() {
		for _, ending := range f.Form.endings() {
			if other, ok := owner[ending]; ok {
				t.Errorf("%s and %s both end with .%s", other, f.Form, ending)
			}
			owner[ending] = f.Form
			if !f.Form.EndsWith(ending) || !f.Form.EndsWith("."+ending) {
				t.Errorf("%s does not end with .%s", f.Form, ending)
			}
		}
	}
}

func TestKeptFiles(t *testing.T) {
	var names []string
	for _, f := range Kept() {
		names = append(names, f.FileName())
		if f.Form == FormJSON && f.FileName() != report.FileName {
			t.Errorf("a run keeps its JSON as %s, and %s is looked for", f.FileName(), report.FileName)
		}
	}
	if len(names) != 3 || names[0] != "report.txt" || names[1] != "report.json" || names[2] != "report.html" {
		t.Errorf("a run keeps its report as %v", names)
	}
}
