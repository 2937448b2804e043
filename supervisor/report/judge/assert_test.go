package judge

import (
	"testing"

	"bulkhead/supervisor/report"
)

func FuzzParseAssertion(f *testing.F) {
	for _, text := range []string{"p99 < 50ms", "throughput > 500MB/s", "lost == 0", "bytes != 1 GiB", "p99 <", "=",
		"µ<"} {
		f.Add(text)
	}
	var r report.Report
	f.Fuzz(func(t *testing.T, text string) {
		a, err := ParseAssertion(text)
		if err != nil {
			return
		}
		if again, err := ParseAssertion(a.String()); err != nil || again.value != a.value ||
			again.operator != a.operator || again.name != a.name {
			t.Errorf("%q reads back as %q: %v", text, again, err)
		}
		_ = Check(&r, a).String()
	})
}
