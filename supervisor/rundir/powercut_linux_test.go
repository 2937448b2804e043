package rundir

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"bulkhead/internal/testing/powercut"
)

// A state directory, the run that is served and a file that was written whole stay when the machine loses
// its power.
func TestAPowerCutLeavesTheRun(t *testing.T) {
	disk := powercut.New(t)
	s, err := Open(filepath.Join(disk.Path, "a", "state"), nil)
	must(t, err)
	must(t, s.Close())
	disk.Cut()
	if _, err := os.Stat(filepath.Join(s.Path, RunsFolder)); err != nil {
		t.Fatalf("the state directory is gone: %v", err)
	}
	s, err = Open(s.Path, nil)
	must(t, err)
	id, dir, err := s.NewRunDir(time.Now())
	must(t, err)
	must(t, s.Close())
	disk.Cut()
	if got := s.pointsAt(CurrentLink); got != id {
		t.Errorf("the run that is served is %q; want %q", got, id)
	}
	for _, text := range []string{"one", "two"} {
		path := filepath.Join(dir, "report.txt")
		must(t, WriteWhole(path, func(f *os.File) error {
			_, err := f.WriteString(text)
			return err
		}))
		disk.Cut()
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("the report is %q, %v; want %q", got, err, text)
		}
	}
}
