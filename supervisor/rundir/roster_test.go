package rundir

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bulkhead/internal/child"
)

func TestRoster(t *testing.T) {
	r := Roster(t.TempDir())
	a := Rostered{Connection: 3, Peer: "192.0.2.1:9", Child: child.Record{Pid: 77, StartTicks: 5, BootID: "b", Address: "/s/x", SocketDir: "/s"}}
	b := Rostered{Connection: 12, Peer: "192.0.2.2:9", Child: child.Record{Pid: 78}}
	for _, h := range []Rostered{a, b} {
		if err := r.Add(h); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range map[string]string{
		"5.json":      "{",
		"6.json":      `{"connection":7}`,
		"7.json.new":  "half",
		"notes.txt":   "not ours",
		"08.json":     `{"connection":8}`,
		"latest.json": "[]",
	} {
		if err := os.WriteFile(filepath.Join(string(r), name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	found, bad, err := r.List()
	if err != nil || len(found) != 2 || found[0] != b || found[1] != a {
		t.Errorf("list = %+v, %v; want both handlers", found, err)
	}
	var names []string
	for _, err := range bad {
		names = append(names, strings.SplitN(err.Error(), ":", 2)[0])
	}
	if got := strings.Join(names, " "); got != "08.json 5.json 6.json latest.json" {
		t.Errorf("unreadable are %q", got)
	}
	if err := r.Sweep(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(string(r), "7.json.new")); !os.IsNotExist(err) {
		t.Errorf("a file that was never completed is left: %v", err)
	}
	for range 2 {
		if err := r.Remove(12); err != nil {
			t.Fatal(err)
		}
	}
	if found, _, _ := r.List(); len(found) != 1 || found[0] != a {
		t.Errorf("list = %+v after a removal", found)
	}
	if found, bad, err := Roster(filepath.Join(t.TempDir(), "none")).List(); err != nil || found != nil || bad != nil {
		t.Errorf("list of no folder = %v, %v, %v", found, bad, err)
	}
}
