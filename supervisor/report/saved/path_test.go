package saved

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// A path that is no run's is called what it is, and the run that may be meant is named.
func TestAPathThatIsNoRuns(t *testing.T) {
	root := t.TempDir()
	for _, dir := range []string{"state/runs/r1/journal", "empty"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"state/runs/r1/journal/00000001.seg", "file"} {
		if err := os.WriteFile(filepath.Join(root, file), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"state/runs/latest": "r1", "dangling": "nowhere"} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	latest := root + "/state/runs/latest"
	for path, what := range map[string]string{
		"nothing":               "there is no such file or folder",
		"dangling":              "it is a link to something that is not there",
		"file":                  "it is a file",
		"file/x":                "not a directory",
		"empty":                 "it holds no journal",
		"state":                 "it is a state directory; give one of its runs, such as " + latest,
		"state/runs":            "it is the folder of the runs; give one of them, such as " + latest,
		"state/runs/r1/journal": "it is the journal of a run; give the run directory that it is in",
	} {
		path = filepath.Join(root, path)
		_, err := Rebuilt(path)
		var wrong *PathError
		if want := path + " is not a run directory: " + what; !errors.As(err, &wrong) || err.Error() != want {
			t.Errorf("rebuilt: %v; want %s", err, want)
		}
		if what == "it is a file" { // which is no report either, for another reason
			continue
		}
		_, err = Report(path)
		if want := path + " is neither a run directory nor a report.json: " + what; !errors.As(err, &wrong) ||
			err.Error() != want {
			t.Errorf("report: %v; want %s", err, want)
		}
	}
}
