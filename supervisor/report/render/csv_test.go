package render

import "testing"

// A name of a client is no formula, whatever it begins with; one that is none is left alone.
func TestFormulasInCSV(t *testing.T) {
	for text, want := range map[string]string{
		"=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@sum": "'@sum", "＝1": "'＝1", "＋1": "'＋1", "－1": "'－1",
		"＠sum": "'＠sum",
		"a=1":  "a=1", "é": "é", "": "",
	} {
		if got := harmless(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}
