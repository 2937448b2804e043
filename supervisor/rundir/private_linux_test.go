package rundir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"bulkhead/internal/child"
	"bulkhead/internal/exitstatus"
	"bulkhead/internal/ownfile"
)

// nobody is another user of the machine.
const nobody = 65534

// openToOthers returns what is below a folder, and the folder, that anybody but its owner can use.
func openToOthers(t *testing.T, dir string) (open []string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil && info.Mode()&fs.ModeSymlink == 0 && info.Mode().Perm()&0o077 != 0 {
			open = append(open, fmt.Sprintf("%s %s", info.Mode(), path))
		}
		return err
	}))
	return open
}

// Whatever the umask, nobody else can use what is in a state directory.
func TestStateDirIsPrivate(t *testing.T) {
	defer unix.Umask(unix.Umask(0))
	dir := filepath.Join(t.TempDir(), "state")
	s, err := Open(dir, nil)
	must(t, err)
	defer s.Close()
	_, run, err := s.NewRunDir(time.Now())
	must(t, err)
	r := NewRoster(filepath.Join(run, HandlerFolder))
	must(t, r.Add(Rostered{Connection: 1, Child: child.Record{Pid: 7}}))
	defer r.Close()
	must(t, WriteWhole(filepath.Join(run, "report.txt"), func(f *os.File) error {
		_, err := f.WriteString("report")
		return err
	}))
	if _, err := KeepFrame(run, "s", []byte("frame")); err != nil {
		t.Fatal(err)
	}
	if open := openToOthers(t, dir); len(open) > 0 {
		t.Errorf("others can use %q", open)
	}
}

// A state directory that others could look into, of an earlier version, is closed; its run is found.
func TestOldStateDirIsClosed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	must(t, os.MkdirAll(filepath.Join(dir, RunsFolder, "a-run"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, LockFile), nil, 0o644))
	s, err := Open(dir, nil)
	must(t, err)
	defer s.Close()
	for name, want := range map[string]fs.FileMode{RunsFolder: 0o700, LockFile: 0o600} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %04o", name, info, err, want)
		}
	}
}

// What another user has put where a supervisor looks is refused as a mistake of the configuration,
// with its owner, and nothing of it is changed or waited for.
func TestStateDirOfOthersIsRefused(t *testing.T) {
	owner := "it belongs to " + ownfile.UserName(nobody)
	type row struct {
		put  func(dir string) error
		want string
	}
	asLock := func(make func(path string) error, want string) row {
		return row{func(dir string) error { return make(filepath.Join(dir, LockFile)) }, want}
	}
	for name, row := range map[string]row{
		"the directory": {func(dir string) error { return os.Chown(dir, nobody, nobody) }, owner},
		"a link to it":  {func(dir string) error { return linkOf(dir) }, owner},
		"the lock":      {func(dir string) error { return put(dir, LockFile) }, owner},
		"the runs":      {func(dir string) error { return putFolder(dir, RunsFolder) }, owner},
		"all may write": {func(dir string) error { return os.Chmod(dir, 0o777) }, "everybody may write to it"},
		"a link as lock": asLock(func(path string) error { return os.Symlink("precious", path) },
			"it is a symbolic link"),
		"a pipe as lock":   asLock(func(path string) error { return unix.Mkfifo(path, 0o600) }, "it is a named pipe"),
		"a folder as lock": asLock(func(path string) error { return os.Mkdir(path, 0o700) }, "it is a folder"),
	} {
		t.Run(name, func(t *testing.T) {
			if row.want == owner && os.Geteuid() != 0 {
				t.Skip("needs root, for files of another user")
			}
			dir := filepath.Join(t.TempDir(), "state")
			must(t, os.Mkdir(dir, 0o700))
			must(t, os.WriteFile(filepath.Join(dir, "precious"), []byte("content"), 0o644))
			must(t, row.put(dir))
			s, err := Open(dir, nil)
			if err == nil {
				s.Close()
				t.Fatal("it was opened")
			}
			if !errors.Is(err, exitstatus.ErrConfig) || !strings.Contains(err.Error(), row.want) {
				t.Errorf("%v; want %s", err, row.want)
			}
			info, err := os.Stat(filepath.Join(dir, "precious"))
			if err != nil || info.Mode().Perm() != 0o644 || info.Size() != 7 {
				t.Errorf("what was there is %v, %v", info, err)
			}
		})
	}
}

func linkOf(dir string) error {
	return errors.Join(os.Rename(dir, dir+"-real"), os.Symlink(dir+"-real", dir), os.Lchown(dir, nobody, nobody))
}

func put(dir, name string) error {
	path := filepath.Join(dir, name)
	return errors.Join(os.WriteFile(path, nil, 0o666), os.Chown(path, nobody, nobody))
}

func putFolder(dir, name string) error {
	path := filepath.Join(dir, name)
	return errors.Join(os.Mkdir(path, 0o777), os.Chown(path, nobody, nobody))
}

// A roster that is no file of ours adopts nobody, and holds nobody up; so does what an earlier version
// would have noted of one handler.
func TestRosterIsAFileOfItsOwn(t *testing.T) {
	for name, put := range map[string]func(path string) error{
		"pipe": func(path string) error { return unix.Mkfifo(path, 0o600) },
		"link": func(path string) error { return os.Symlink("precious", path) },
		"too large": func(path string) error {
			return errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, 1<<40))
		},
	} {
		dir := t.TempDir()
		must(t, os.WriteFile(filepath.Join(dir, "precious"), []byte("content"), 0o600))
		r := NewRoster(dir)
		must(t, put(r.Path()))
		must(t, put(filepath.Join(dir, "7.json")))
		if found, bad, err := r.Load(); err != nil || len(found) != 0 || len(bad) != 2 {
			t.Errorf("%s: found %v, bad %v, %v", name, found, bad, err)
		}
		if err := r.Add(Rostered{Connection: 3}); (err == nil) != (name == "too large") {
			t.Errorf("%s: a line is added: %v", name, err)
		}
		must(t, r.Close())
		if data, err := os.ReadFile(filepath.Join(dir, "precious")); err != nil || string(data) != "content" {
			t.Errorf("%s: the file behind it has %q, %v", name, data, err)
		}
	}
}
