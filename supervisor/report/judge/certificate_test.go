package judge

import (
	"testing"

	"bulkhead/supervisor/report"
)

// TestPlainText finds plain text where other machines reach it, and nowhere else.
func TestPlainText(t *testing.T) {
	for listen, want := range map[string]int{
		"0.0.0.0:7420": 1, "[::]:7420": 1, "10.0.0.1:7420": 1, "[fe80::7%eth0]:7420": 1, "[::ffff:10.0.0.1]:1": 1,
		"127.0.0.1:7420": 0, "127.9.9.9:7420": 0, "[::1]:7420": 0, "[::ffff:127.0.0.1]:1": 0, "": 0,
	} {
		plain := &report.Report{Run: report.Run{Listen: listen}}
		if got := plainText(plain); len(got) != want {
			t.Errorf("%s: %v; want %d findings", listen, got, want)
		}
		plain.Run.Certificate = &report.Certificate{Name: "collector"}
		if got := plainText(plain); len(got) != 0 {
			t.Errorf("%s with TLS: %v", listen, got)
		}
	}
}
