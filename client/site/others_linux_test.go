package site

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"bulkhead/client/names"
	"bulkhead/client/spec"
	"bulkhead/internal/ownfile"
	"bulkhead/internal/testing/scripted"
)

// nobody is another user of the machine.
const nobody = 65534

// planted are things that another user can put in the place of a small file of ours. Each makes one
// at path; of says whose it is in the refusal.
func planted() map[string]struct {
	put func(path string) error
	of  string
} {
	type row = struct {
		put func(path string) error
		of  string
	}
	return map[string]row{
		"a named pipe": {func(path string) error { return unix.Mkfifo(path, 0o600) }, "it is a named pipe"},
		"a link": {func(path string) error { return os.Symlink("thesis.txt", path) },
			"it is a symbolic link"},
		"a link to a device": {func(path string) error { return os.Symlink("/dev/zero", path) },
			"it is a symbolic link"},
		"a folder": {func(path string) error { return os.Mkdir(path, 0o700) }, "it is a folder"},
		"another user's": {func(path string) error {
			return errors.Join(os.WriteFile(path, []byte(markerText), 0o644), os.Chown(path, nobody, nobody))
		}, "it belongs to " + ownfile.UserName(nobody)},
	}
}

// A marker lets clients in only if it is a file of their user, or of root; what else has its name is
// named, and stays.
func TestMarkerOfOthers(t *testing.T) {
	for name, row := range planted() {
		t.Run(name, func(t *testing.T) {
			if name == "another user's" && os.Geteuid() != 0 {
				t.Skip("needs root, for files of another user")
			}
			path := t.TempDir()
			scripted.WriteFile(t, filepath.Join(path, "thesis.txt"), markerText)
			if err := row.put(filepath.Join(path, names.Marker)); err != nil {
				t.Fatal(err)
			}
			f, _ := foldersOf(t, path, nil)
			if err := makeAll(t, f); err == nil || !strings.Contains(err.Error(), row.of) {
				t.Errorf("make: %v; want %q", err, row.of)
			}
			f, _ = foldersOf(t, path, func(c *spec.Config) { c.Force = true })
			if err := makeAll(t, f); err != nil {
				t.Errorf("make with force: %v", err)
			}
			f.Close()
			if err := RemoveFolders(f.Paths(), func() {}); err != nil {
				t.Error(err)
			}
			f.Leave()
			if got := scripted.Names(t, path); len(got) != 2 {
				t.Errorf("left are %q; want the marker and the file", got)
			}
		})
	}
}

// Whatever is where the record of a client should be: the folder is nobody's that is known to be
// dead, and stays; and nobody waits.
func TestRecordOfOthers(t *testing.T) {
	for name, row := range planted() {
		t.Run(name, func(t *testing.T) {
			if name == "another user's" && os.Geteuid() != 0 {
				t.Skip("needs root, for files of another user")
			}
			path := t.TempDir()
			folder := filepath.Join(path, "bulkhead-tester-"+strings.Repeat("0", 8))
			if err := os.Mkdir(folder, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := row.put(filepath.Join(folder, names.Record)); err != nil {
				t.Fatal(err)
			}
			s, err := OpenSite(path)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Root.Close()
			if r, dead := s.Dead(filepath.Base(folder), Here()); dead || r != (Record{}) {
				t.Errorf("the client of the folder is dead: %v, %+v", dead, r)
			}
		})
	}
}

// FuzzRecord: whatever stands in a record and in a marker, looking at it neither fails nor takes the
// folder for one that may be removed, unless it names this boot and is whole.
func FuzzRecord(f *testing.F) {
	f.Add([]byte(markerText))
	f.Add([]byte(`{"client_id":"00","name":"a","boot":"b","keep":false,"writers":1}`))
	f.Add([]byte(`{"boot":"`))
	f.Add(make([]byte, recordMaxBytes+1))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := t.TempDir()
		name := "bulkhead-tester-" + strings.Repeat("0", 8)
		if err := os.Mkdir(filepath.Join(path, name), 0o700); err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{filepath.Join(name, names.Record), names.Marker} {
			if err := os.WriteFile(filepath.Join(path, file), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s, err := OpenSite(path)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Root.Close()
		here := Here()
		r, dead := s.Dead(name, here)
		if dead && (len(text) > recordMaxBytes || r.Keep || r.Boot == "") {
			t.Fatalf("dead by %+v, of %d bytes", r, len(text))
		}
		s.release()
		_, err = os.Lstat(filepath.Join(path, names.Marker))
		if gone := errors.Is(err, os.ErrNotExist); gone {
			t.Fatal("a marker went while a client's folder is there")
		}
		if c, err := s.Look(); err != nil || c.Refusal(path, false) != nil {
			t.Fatalf("%+v, %v", c, err)
		}
	})
}
