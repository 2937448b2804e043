package ownfile_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"bulkhead/internal/ownfile"
)

// nobody is another user of the machine.
const nobody = 65534

// TestMain also runs as another user, who reads a file and says what came of it.
func TestMain(m *testing.M) {
	if path := os.Getenv("OWNFILE_READ"); path != "" {
		data, err := ownfile.Read(path, 1<<10)
		os.Stdout.WriteString(string(data))
		if err != nil {
			os.Stdout.WriteString(err.Error())
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, for files of another user")
	}
}

// ways are all ways to open what is at a path.
var ways = map[string]func(dir, name string) error{
	"read":   func(dir, name string) error { _, err := ownfile.Read(filepath.Join(dir, name), 10); return err },
	"named":  func(dir, name string) error { _, err := ownfile.ReadNamed(filepath.Join(dir, name), 10); return err },
	"secret": func(dir, name string) error { _, err := ownfile.ReadSecret(filepath.Join(dir, name), 10); return err },
	"write":  func(dir, name string) error { return ownfile.Write(filepath.Join(dir, name), []byte("new"), 0o600) },
	"lock": func(dir, name string) error {
		f, err := ownfile.Open(filepath.Join(dir, name), os.O_RDWR|os.O_CREATE, 0o600)
		if err == nil {
			f.Close()
		}
		return err
	},
	"read in": func(dir, name string) error {
		root, err := os.OpenRoot(dir)
		if err != nil {
			return err
		}
		defer root.Close()
		_, err = ownfile.ReadIn(root, name, 10)
		return err
	},
	"peek": func(dir, name string) error {
		f, err := ownfile.Peek(filepath.Join(dir, name))
		if err == nil {
			f.Close()
		}
		return err
	},
}

// What is no regular file is refused, and nothing waits for what is at its other end.
func TestOnlyRegularFiles(t *testing.T) {
	dir := t.TempDir()
	must(t, unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600))
	must(t, os.Mkdir(filepath.Join(dir, "folder"), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "file"), []byte("content"), 0o600))
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	must(t, err)
	defer unix.Close(socket)
	must(t, unix.Bind(socket, &unix.SockaddrUnix{Name: filepath.Join(dir, "socket")}))
	must(t, os.Symlink("/dev/zero", filepath.Join(dir, "device")))
	for name, way := range ways {
		for what, kind := range map[string]string{"fifo": "a named pipe", "folder": "a folder", "socket": "a socket"} {
			err := way(dir, what)
			var k *ownfile.KindError
			if !errors.As(err, &k) || !strings.Contains(err.Error(), filepath.Join(dir, what)+": it is "+kind) {
				t.Errorf("%s of %s: %v", name, kind, err)
			}
		}
		err := way(dir, "device")
		var k *ownfile.KindError
		if follows := name == "named" || name == "secret"; follows != errors.As(err, &k) ||
			follows == errors.Is(err, ownfile.ErrLink) {
			t.Errorf("%s of a link to a device: %v", name, err)
		}
		if err := way(dir, "file"); err != nil {
			t.Errorf("%s of a file: %v", name, err)
		}
	}
}

// A symbolic link is not followed, whatever it leads to, and what it leads to stays as it is.
func TestLinksAreNotFollowed(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "precious"), []byte("content"), 0o600))
	must(t, os.Symlink("precious", filepath.Join(dir, "link")))
	must(t, os.Symlink("made", filepath.Join(dir, "dangling")))
	for name, way := range ways {
		follows := name == "named" || name == "secret" // links of our own
		if err := way(dir, "link"); errors.Is(err, ownfile.ErrLink) == follows {
			t.Errorf("%s of a link: %v", name, err)
		}
		if err := way(dir, "dangling"); errors.Is(err, fs.ErrNotExist) != follows {
			t.Errorf("%s of a link to nothing: %v", name, err)
		}
	}
	if data, err := os.ReadFile(filepath.Join(dir, "precious")); err != nil || string(data) != "content" {
		t.Errorf("the file behind the link has %q, %v", data, err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "made")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file was made behind a link: %v", err)
	}
}

// A file of another user is refused, with that user's name; one of root's is not.
func TestFilesOfOthers(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "theirs")
	must(t, os.WriteFile(path, []byte("content"), 0o600))
	must(t, os.Chown(path, nobody, nobody))
	must(t, os.Symlink("/etc/hostname", filepath.Join(dir, "link")))
	must(t, os.Lchown(filepath.Join(dir, "link"), nobody, nobody))
	for name, way := range ways {
		err := way(dir, "theirs")
		var f *ownfile.ForeignError
		if foreign := errors.As(err, &f) && f.UID == nobody; foreign != (name != "peek") {
			t.Errorf("%s of another user's file: %v", name, err)
		} else if foreign && !strings.Contains(err.Error(), "it belongs to "+ownfile.UserName(nobody)) {
			t.Errorf("%s: %v; want the owner named", name, err)
		}
		if err := way(dir, "link"); err == nil {
			t.Errorf("%s of another user's link: no error", name)
		}
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "content" {
		t.Errorf("another user's file has %q, %v", data, err)
	}
	t.Setenv("SUDO_UID", "65534")
	if err := ways["named"](dir, "theirs"); err != nil {
		t.Errorf("a file of the user who called sudo: %v", err)
	}
	if err := ways["read"](dir, "theirs"); err == nil {
		t.Error("sudo opens what it should not")
	}
}

// Another user takes root's files, and those alone besides its own.
func TestAnotherUser(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	open(t, dir)
	for _, row := range []struct {
		uid  int
		want string
	}{{0, "content"}, {nobody, "content"}, {nobody - 1, "it belongs to "}} {
		path := filepath.Join(dir, "file")
		must(t, os.WriteFile(path, []byte("content"), 0o644))
		must(t, os.Chown(path, row.uid, row.uid))
		if got := asNobody(t, path); !strings.Contains(got, row.want) {
			t.Errorf("a file of uid %d: %q; want %q", row.uid, got, row.want)
		}
	}
}

// open lets everybody into a folder, and into those above it as far as they are the test's.
func open(t *testing.T, dir string) {
	t.Helper()
	for ; strings.HasPrefix(dir, os.TempDir()+"/"); dir = filepath.Dir(dir) {
		must(t, os.Chmod(dir, 0o755))
	}
}

// asNobody reads a file as another user.
func asNobody(t *testing.T, path string) string {
	t.Helper()
	program := filepath.Join(filepath.Dir(path), "program")
	data, err := os.ReadFile("/proc/self/exe")
	must(t, err)
	must(t, os.WriteFile(program, data, 0o755))
	cmd := exec.Command(program)
	cmd.Env = []string{"OWNFILE_READ=" + path}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	must(t, err)
	return string(out)
}

// What is read is bounded.
func TestSizeIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for n, large := range map[int]bool{0: false, 10: false, 11: true} {
		must(t, os.WriteFile(path, make([]byte, n), 0o600))
		data, err := ownfile.Read(path, 10)
		var s *ownfile.SizeError
		if errors.As(err, &s) != large || !large && len(data) != n {
			t.Errorf("%d bytes: %d, %v", n, len(data), err)
		}
	}
}

// Write replaces what was there, and a new file has the mode that was asked for.
func TestWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for _, text := range []string{"first, and long", "second"} {
		must(t, ownfile.Write(path, []byte(text), 0o600))
		data, err := os.ReadFile(path)
		info, statErr := os.Stat(path)
		if err := errors.Join(err, statErr); err != nil || string(data) != text || info.Mode() != 0o600 {
			t.Errorf("%q, %v, %v", data, info, err)
		}
	}
}

// A secret that others can use is none.
func TestSecretsArePrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	must(t, os.WriteFile(path, []byte("secret"), 0o600))
	for mode, private := range map[fs.FileMode]bool{0o600: true, 0o400: true, 0o640: true, 0o644: false, 0o660: false,
		0o604: false} {
		must(t, os.Chmod(path, mode))
		if data, err := ownfile.ReadSecret(path, 10); (err == nil && string(data) == "secret") != private {
			t.Errorf("mode %04o: %q, %v", mode, data, err)
		}
	}
}

// What is open already may be a pipe.
func TestDescriptorsThatWereHandedOver(t *testing.T) {
	r, w, err := os.Pipe()
	must(t, err)
	defer r.Close()
	_, err = w.WriteString("secret")
	must(t, errors.Join(err, w.Close()))
	data, err := ownfile.ReadSecret(fmt.Sprintf("/dev/fd/%d", r.Fd()), 10)
	if err != nil || string(data) != "secret" {
		t.Errorf("%q, %v", data, err)
	}
}

// A folder of others, or one that all may write to, is no place for files.
func TestCheckFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	must(t, os.Mkdir(dir, 0o700))
	must(t, ownfile.CheckFolder(dir))
	must(t, os.Chmod(dir, 0o777))
	if err := ownfile.CheckFolder(dir); err == nil || !strings.Contains(err.Error(), "everybody may write to it") {
		t.Errorf("a folder for everybody: %v", err)
	}
	must(t, os.Chmod(dir, 0o777|fs.ModeSticky))
	must(t, ownfile.CheckFolder(dir))
	if err := ownfile.CheckFolder(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
	needRoot(t)
	must(t, os.Chown(dir, nobody, nobody))
	var f *ownfile.ForeignError
	if err := ownfile.CheckFolder(dir); !errors.As(err, &f) || f.UID != nobody {
		t.Errorf("another user's folder: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left in it: %v, %v", left, err)
	}
	link := dir + "-link"
	must(t, os.Chown(dir, 0, 0))
	must(t, os.Symlink(dir, link))
	must(t, ownfile.CheckFolder(link))
	must(t, os.Lchown(link, nobody, nobody))
	if err := ownfile.CheckFolder(link); !errors.As(err, &f) {
		t.Errorf("another user's link: %v", err)
	}
}
