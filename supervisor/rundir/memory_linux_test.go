package rundir

import (
	"os"
	"path/filepath"
	"testing"
)

// A supervisor that begins removes the sockets of those that were killed and whose state directories
// are gone, and nobody else's.
func TestAbandonedSocketsAreSwept(t *testing.T) {
	memory, state := t.TempDir(), t.TempDir()
	folder := func(name, of string) *Sockets {
		t.Helper()
		s := &Sockets{State: of, Dir: filepath.Join(memory, name)}
		for _, err := range []error{os.Mkdir(s.Dir, 0o700), os.Mkdir(filepath.Join(s.Dir, "plugin-dir1"), 0o700),
			os.WriteFile(filepath.Join(s.Dir, ownerFile), []byte("1:2\n"), 0o600),
			os.WriteFile(filepath.Join(s.Dir, stateFile), []byte(of), 0o600)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		return s
	}
	gone := filepath.Join(state, "gone")
	folder(temporarySockets+"abandoned", gone)
	folder(temporarySockets+"needed", state)
	folder("another's", gone)
	running := folder(temporarySockets+"running", gone)
	running.hold()
	defer running.letGo()
	if err := os.Mkdir(filepath.Join(memory, temporarySockets+"unknown"), 0o700); err != nil {
		t.Fatal(err)
	}
	sweepAbandoned(memory)
	entries, err := os.ReadDir(memory)
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if err != nil || len(left) != 4 || left[0] != "another's" {
		t.Errorf("%v are left, %v; want all but that of nobody", left, err)
	}
	running.letGo()
	if sweepAbandoned(memory); IdentityAt(running.Dir) != (Identity{}) {
		t.Error("what was a running supervisor's stays")
	}
}
