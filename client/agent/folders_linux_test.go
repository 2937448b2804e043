package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bulkhead/internal/testing/scripted"
)

// openFolders opens folders in a temporary folder of the test's, and closes them after it.
func openFolders(t *testing.T) (tmp string, f *Folders) {
	t.Helper()
	tmp = scripted.ShortDir(t)
	t.Setenv("TMPDIR", tmp)
	f, err := OpenFolders("")
	must(t, err)
	t.Cleanup(f.Close)
	return tmp, f
}

// What clients may change is no folder of others, also where nothing is said of one.
func TestAgentsHaveAFolderOfTheirOwn(t *testing.T) {
	tmp, f := openFolders(t)
	if info, err := os.Stat(f.Work); err != nil || f.Work == tmp || info.Mode().Perm() != 0o700 {
		t.Errorf("clients work in %s: %v, %v", f.Work, info, err)
	}
	second, err := OpenFolders("")
	must(t, err)
	if second.Work != f.Work || second.Own == f.Own || len(second.dead) > 0 {
		t.Errorf("a second agent has %+v; the first %+v", second, f)
	}
	f.Close()
	if left := scripted.Names(t, f.Work); len(left) != 1 {
		t.Errorf("after the first are %q", left)
	}
	second.Close()
	if left := scripted.Names(t, tmp); len(left) > 0 {
		t.Errorf("left are %q", left)
	}
}

// Whoever has made the folder first gets nothing of a client.
func TestTheFolderOfAgentsIsTheirs(t *testing.T) {
	for name, set := range map[string]func(path string) error{
		"a link":        func(path string) error { return os.Symlink(os.TempDir(), path) },
		"a file":        func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"open to all":   func(path string) error { return os.Mkdir(path, 0o755) },
		"somebody else": func(path string) error { return asOthers(path) },
	} {
		t.Run(name, func(t *testing.T) {
			tmp := scripted.ShortDir(t)
			t.Setenv("TMPDIR", tmp)
			if err := set(filepath.Join(tmp, fmt.Sprint(sharedPrefix, os.Geteuid()))); err != nil {
				t.Skip(err)
			}
			if f, err := OpenFolders(""); err == nil {
				f.Close()
				t.Errorf("clients work in %s", f.Work)
			} else if !strings.Contains(err.Error(), "is no folder of this user alone") {
				t.Error(err)
			}
		})
	}
}

// asOthers makes a folder of another user.
func asOthers(path string) error {
	if err := os.Mkdir(path, 0o700); err != nil {
		return err
	}
	return os.Chown(path, 65534, 65534)
}

// A folder whose path leaves no room for sockets is refused before an agent waits for anything.
func TestALongWorkDir(t *testing.T) {
	for size, fits := range map[int]bool{49: true, 50: false} {
		base := scripted.ShortDir(t)
		path := filepath.Join(base, strings.Repeat("x", size-len(base)-1))
		must(t, os.Mkdir(path, 0o700))
		f, err := OpenFolders(path)
		if err == nil {
			f.Close()
		}
		if (err == nil) != fits {
			t.Errorf("a path of %d bytes: %v", size, err)
		}
	}
}

// Whatever leads into the temporary folder, a client changes nothing there.
func TestAClientChangesNothingOfOthersInTheTemporaryFolder(t *testing.T) {
	if _, err := confinement(); err != nil {
		t.Skip(err)
	}
	tmp, folders := openFolders(t)
	_, _, c := startedIn(t, folders, fmt.Sprintf(`
echo x >%s/own || exit 7
echo x >%s/escaped
exit 0
`, folders.Work, tmp))
	if end := c.wait(); end.status != 0 || end.signal != 0 {
		t.Errorf("the client ended with %+v", end)
	}
	if _, err := os.Stat(filepath.Join(tmp, "escaped")); err == nil {
		t.Error("it could write to the temporary folder")
	}
	must(t, os.Remove(filepath.Join(folders.Work, "own")))
}
