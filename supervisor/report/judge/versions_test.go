package judge

import (
	"strings"
	"testing"

	"bulkhead/supervisor/report"
)

func TestMixedVersions(t *testing.T) {
	for _, tt := range []struct {
		supervisor string // versions, separated by spaces
		clients    string
		evidence   string // "" for no finding
	}{
		{"1", "1 1", ""},
		{"1", "", ""},
		{"1", "1 2", "the supervisor is 1; c0: 1; c1: 2"},
		{"1", "2 2", "the supervisor is 1; c0, c1: 2"},
		{"1 2", "1 1", ""}, // the supervisor was upgraded under them
		{"1 2", "2 2", ""},
		{"1 2", "1 2", "the supervisor is 2; c0: 1; c1: 2"},
	} {
		r := new(report.Report)
		for i, v := range strings.Fields(tt.supervisor) {
			if i == 0 {
				r.Run.Version = v
			} else {
				r.Run.Restarts = append(r.Run.Restarts, report.Restart{Version: v})
			}
		}
		for i, v := range strings.Fields(tt.clients) {
			c := report.Client{Version: v}
			c.Label = "c" + string(rune('0'+i))
			r.Clients = append(r.Clients, c)
		}
		got := ""
		for _, f := range mixedVersions(r) {
			got += f.Evidence
		}
		if got != tt.evidence {
			t.Errorf("supervisor %s, clients %s: %q; want %q", tt.supervisor, tt.clients, got, tt.evidence)
		}
	}
}
