package removal

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
	"time"

	"golang.org/x/sys/unix"
)

// forever is more time than a removal takes.
const forever = 5 * time.Minute

// roleEnv makes this test binary another process.
const roleEnv = "REMOVAL_TEST_ROLE"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleEnv); role != "" {
		if err := roles[role](os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// roles are what other processes do in a folder.
var roles = map[string]func(dir string) error{
	"hostile": func(dir string) error {
		if err := hostile(dir, 10_000); err != nil {
			return err
		}
		few := unix.Rlimit{Cur: 32, Max: 32}
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &few); err != nil {
			return err
		}
		before, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			return err
		}
		if err := Tree(filepath.Join(dir, "tree"), forever); err != nil {
			return err
		}
		after, err := os.ReadDir("/proc/self/fd")
		if err != nil || len(after) != len(before) {
			return fmt.Errorf("%d descriptors are open, %v; want %d", len(after), err, len(before))
		}
		return nil
	},
	"refused": func(dir string) error { return Tree(filepath.Join(dir, "tree"), forever) },
	"mounted": func(dir string) error {
		tree := filepath.Join(dir, "tree")
		for _, m := range []struct{ from, to, kind string }{
			{"tmpfs", filepath.Join(tree, "a/tmpfs"), "tmpfs"},
			{filepath.Join(dir, "victim"), filepath.Join(tree, "bind"), ""},
		} {
			if err := os.MkdirAll(m.to, 0o700); err != nil {
				return err
			}
			flags := uintptr(0)
			if m.kind == "" {
				flags = unix.MS_BIND
			}
			if err := unix.Mount(m.from, m.to, m.kind, flags, ""); err != nil {
				return err
			}
		}
		kept, beside := filepath.Join(tree, "a/tmpfs/kept"), filepath.Join(tree, "a/beside")
		if err := errors.Join(os.WriteFile(kept, nil, 0o600), os.WriteFile(beside, nil, 0o600)); err != nil {
			return err
		}
		if err := Tree(tree, forever); err == nil {
			return errors.New("folders with mounts in them were removed")
		}
		if _, err := os.Lstat(beside); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("what is beside a mount: %w; want that it is gone", err)
		}
		_, err := os.Lstat(kept)
		return err
	},
}

const (
	wide    = 100
	victims = "kept"
)

// hostile fills a folder "tree" with what is hard to remove, so many levels of it.
func hostile(dir string, deep int) error {
	tree := filepath.Join(dir, "tree")
	if err := os.Mkdir(tree, 0o700); err != nil {
		return err
	}
	for i := range wide {
		path := filepath.Join(tree, fmt.Sprintf("wide-%d\n\xff", i), "b", "c")
		if err := os.MkdirAll(path, 0o700); err != nil {
			return err
		}
		if err := errors.Join(os.WriteFile(filepath.Join(path, "file"), []byte("x"), 0o000),
			os.Symlink(filepath.Join(dir, "victim"), filepath.Join(path, "link")),
			unix.Mkfifo(filepath.Join(path, "fifo"), 0o600), os.Chmod(filepath.Dir(path), 0)); err != nil {
			return err
		}
	}
	name := strings.Repeat("n", unix.NAME_MAX)
	at, err := unix.Open(tree, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	for range deep {
		if err := unix.Mkdirat(at, name, 0o700); err != nil {
			return err
		}
		below, err := unix.Openat(at, name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
		if err != nil {
			return err
		}
		if err := unix.Symlinkat("..", at, "up"); err != nil {
			return err
		}
		if err := unix.Fchmod(at, 0); err != nil {
			return err
		}
		unix.Close(at)
		at = below
	}
	return unix.Close(at)
}

// victim makes what must stay, in a folder for another user if there may be one, and returns the folder.
func victim(t *testing.T) (dir string) {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "removal-test-") // a disk takes minutes for such trees
	if err != nil {
		dir = t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Mkdir(filepath.Join(dir, "victim"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "victim"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "victim", victims), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		for at := dir; at != os.TempDir() && at != "/dev/shm" && at != "/"; at = filepath.Dir(at) {
			if err := os.Chmod(at, 0o777); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// be runs this test binary as another process, and as another user if that is possible.
func be(t *testing.T, role, dir string, attr *syscall.SysProcAttr) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", dir)
	cmd.Env, cmd.SysProcAttr = []string{roleEnv + "=" + role}, attr
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %.500s", err, out)
	}
	if _, err := os.Lstat(filepath.Join(dir, "victim", victims)); err != nil {
		t.Errorf("what a link or a mount leads to: %v", err)
	}
}

// nobody is an ordinary user, if this process may become one.
func nobody() *syscall.SysProcAttr {
	if os.Getuid() != 0 {
		return nil
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
}

// A tree of ten thousand levels, of folders that nobody may enter, with a path that no system call
// takes, is removed with 32 descriptors, and nothing that it links to.
func TestHostileTrees(t *testing.T) {
	t.Run("by root", func(t *testing.T) {
		if os.Getuid() != 0 {
			t.Skip("needs root")
		}
		be(t, "hostile", victim(t), nil)
	})
	t.Run("by an ordinary user", func(t *testing.T) {
		dir := victim(t)
		be(t, "hostile", dir, nobody())
		if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
			t.Errorf("left: %v, %v", left, err)
		}
	})
}

// What is mounted stays, and so does what of the tree is above it.
func TestMountsStay(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	be(t, "mounted", victim(t), &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS})
}

// What cannot be removed is named; all else is.
func TestWhatCannotBeRemoved(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	dir := victim(t)
	tree := filepath.Join(dir, "tree")
	for _, sub := range []string{"others", "own/below"} {
		path := filepath.Join(tree, sub)
		err := errors.Join(os.MkdirAll(path, 0o755), os.WriteFile(filepath.Join(path, "file"), nil, 0o644))
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, own := range []string{"", "own", "own/below", "own/below/file"} {
		if err := os.Chown(filepath.Join(tree, own), 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("/proc/self/exe", dir)
	cmd.Env, cmd.SysProcAttr = []string{roleEnv + "=refused"}, nobody()
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), `"others": permission denied`) &&
		!strings.Contains(string(out), `"file": permission denied`) {
		t.Errorf("%v, %q", err, out)
	}
	if left, err := os.ReadDir(tree); err != nil || len(left) != 1 || left[0].Name() != "others" {
		t.Errorf("left: %v, %v", left, err)
	}
}

// A removal ends when its time is over, and another one goes on where it ended.
func TestARemovalEndsInTime(t *testing.T) {
	dir := victim(t)
	if err := hostile(dir, 200); err != nil {
		t.Fatal(err)
	}
	tree := filepath.Join(dir, "tree")
	if err := Tree(tree, 0); !errors.Is(err, errLate) {
		t.Errorf("a removal without time: %v; want %v", err, errLate)
	}
	if _, err := os.Lstat(tree); err != nil {
		t.Error(err)
	}
	if err := Tree(tree, forever); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(tree); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the tree: %v; want that it is gone", err)
	}
	if err := Tree(tree, forever); err != nil {
		t.Errorf("what is gone: %v", err)
	}
}

// Somebody who puts a link in the place of a folder leads nobody astray.
func TestFoldersThatBecomeLinks(t *testing.T) {
	dir := victim(t)
	for range 50 {
		swapped := filepath.Join(dir, "tree", "swapped")
		for i := range 20 {
			if err := os.MkdirAll(filepath.Join(swapped, fmt.Sprint(i), "x"), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		ready, over, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
		go func() { // ended and awaited below
			defer close(done)
			for first := true; ; first = false {
				_ = os.Rename(swapped, filepath.Join(dir, "aside")) // each fails when the tree is gone
				_ = os.Symlink(filepath.Join(dir, "victim"), swapped)
				if first {
					close(ready)
				}
				_ = os.Remove(swapped)
				_ = os.Rename(filepath.Join(dir, "aside"), swapped)
				select {
				case <-over:
					return
				default:
				}
			}
		}()
		<-ready
		_ = Tree(filepath.Join(dir, "tree"), forever) // or somebody else moves something there
		close(over)
		<-done
		for _, name := range []string{"tree", "aside"} {
			if err := Tree(filepath.Join(dir, name), forever); err != nil {
				t.Error(err)
			}
		}
		if _, err := os.Lstat(filepath.Join(dir, "victim", victims)); err != nil {
			t.Fatalf("what a link leads to: %v", err)
		}
	}
}
