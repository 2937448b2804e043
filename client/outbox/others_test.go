package outbox

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"bulkhead/internal/ownfile"
	"bulkhead/internal/testing/scripted"
)

// A spool is read only from a regular file of this user: whoever put something else there could have
// it sent under this user's name, or keep this process waiting.
func TestSpoolOfOthersIsRefused(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "spool")
	s, err := createSpool(path, scripted.TestHello(), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	s.File.Close()
	for name, put := range map[string]func() error{
		"pipe":    func() error { return unix.Mkfifo(filepath.Join(dir, "pipe"), 0o600) },
		"link":    func() error { return os.Symlink("spool", filepath.Join(dir, "link")) },
		"foreign": func() error { return os.Chown(path, 65534, 65534) },
	} {
		at := filepath.Join(dir, name)
		if name == "foreign" {
			if at = path; os.Geteuid() != 0 {
				continue
			}
			defer os.Chown(path, 0, 0)
		}
		if err := put(); err != nil {
			t.Fatal(err)
		}
		s, _, err := OpenSpool(at)
		var kind *ownfile.KindError
		var foreign *ownfile.ForeignError
		if !errors.As(err, &kind) && !errors.As(err, &foreign) && !errors.Is(err, ownfile.ErrLink) {
			t.Errorf("%s: %v, %v; want a refusal", name, s, err)
		}
	}
}

// What a spool says of its client goes into lines and onto terminals.
func TestSpoolOfAnEvilRunIsRefused(t *testing.T) {
	for _, run := range []string{"run\x1b[2J", strings.Repeat("r", 129)} {
		hello := scripted.TestHello()
		hello.RunId = run
		path := filepath.Join(t.TempDir(), "spool")
		s, err := createSpool(path, hello, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		s.File.Close()
		if _, _, err := OpenSpool(path); err == nil || !strings.Contains(err.Error(), "the run of the client") ||
			strings.Contains(err.Error(), "\x1b") {
			t.Errorf("run %.20q: %v", run, err)
		}
	}
}
