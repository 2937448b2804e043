package wholefile_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"bulkhead/internal/wholefile"
)

// TestMain also runs as the program that is killed as it writes.
func TestMain(m *testing.M) {
	if path := os.Getenv("WHOLEFILE_STALL"); path != "" {
		err := wholefile.Write(path, func(w io.Writer) error {
			if _, err := io.WriteString(w, "half"); err != nil {
				return err
			}
			os.Stdout.WriteString("written\n")
			_, err := io.Copy(io.Discard, os.Stdin) // until it is killed
			return err
		})
		if err != nil {
			os.Stderr.WriteString(err.Error())
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, path, content string, mode fs.FileMode) {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	info, err := os.Stat(path)
	must(t, err)
	if string(data) != content || info.Mode() != mode {
		t.Errorf("%s has %q, mode %s; want %q, %s", path, data, info.Mode(), content, mode)
	}
}

// wantOnly checks that a directory holds these files and no others.
func wantOnly(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(names, " ") {
		t.Errorf("%s holds %q; want %q", dir, got, names)
	}
}

func TestAFileTakesThePlaceOfTheOldOne(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "report")
	must(t, wholefile.Write(path, text("new")))
	mask := syscall.Umask(0) // which nothing else here reads meanwhile
	syscall.Umask(mask)
	want(t, path, "new", 0o666&^fs.FileMode(mask))
	must(t, os.Chmod(path, 0o640))
	before, err := os.Open(path)
	must(t, err)
	defer before.Close()
	must(t, wholefile.Write(path, text("newer")))
	want(t, path, "newer", 0o640)
	if old, err := io.ReadAll(before); err != nil || string(old) != "new" {
		t.Errorf("who had the old file open reads %q, %v", old, err)
	}
	wantOnly(t, dir, "report")
}

func TestWhatCannotBeWrittenLeavesTheOldFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "report")
	must(t, wholefile.Write(path, text("old")))
	fault := errors.New("no more")
	err := wholefile.Write(path, func(w io.Writer) error { return errors.Join(text("half")(w), fault) })
	if !errors.Is(err, fault) {
		t.Errorf("Write: %v", err)
	}
	want(t, path, "old", 0o666&^mask())
	wantOnly(t, dir, "report")
	if err := wholefile.Write(dir, text("x")); !errors.Is(err, syscall.EISDIR) {
		t.Errorf("writing to a directory: %v", err)
	}
	if err := wholefile.Write(filepath.Join(dir, "nowhere", "report"), text("x")); !errors.Is(err, fs.ErrNotExist) ||
		!strings.Contains(err.Error(), "nowhere/report:") {
		t.Errorf("writing to no directory: %v", err)
	}
}

func mask() fs.FileMode {
	m := syscall.Umask(0)
	syscall.Umask(m)
	return fs.FileMode(m)
}

// A writer that is killed leaves the old file; the next one removes what it left, but
// nothing of one that is still at work.
func TestAKilledWriterLeavesTheOldFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "report")
	must(t, wholefile.Write(path, text("old")))
	start := func() *exec.Cmd {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "WHOLEFILE_STALL="+path)
		in, err := cmd.StdinPipe()
		must(t, err)
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		t.Cleanup(func() { in.Close(); cmd.Process.Kill(); cmd.Wait() })
		_, err = io.ReadFull(out, make([]byte, len("written\n")))
		must(t, err)
		return cmd
	}
	killed := start()
	must(t, killed.Process.Kill())
	killed.Wait()
	want(t, path, "old", 0o666&^mask())
	atWork := start()
	must(t, wholefile.Write(path, text("new")))
	want(t, path, "new", 0o666&^mask())
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("%v, %v; want the file and the other writer's", entries, err)
	}
	must(t, atWork.Process.Kill())
	atWork.Wait()
	must(t, wholefile.Write(path, text("newest")))
	wantOnly(t, dir, "report")
}

// A full disk leaves the old file as it was.
func TestAFullDiskLeavesTheOldFile(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, for a small file system")
	}
	dir := t.TempDir()
	must(t, unix.Mount("none", dir, "tmpfs", 0, "size=64k"))
	t.Cleanup(func() { must(t, unix.Unmount(dir, 0)) })
	path := filepath.Join(dir, "report")
	old := strings.Repeat("o", 16<<10)
	must(t, wholefile.Write(path, text(old)))
	err := wholefile.Write(path, text(strings.Repeat("n", 64<<10)))
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), path+":") {
		t.Errorf("Write: %v; want no space left", err)
	}
	want(t, path, old, 0o666&^mask())
	wantOnly(t, dir, "report")
}

// What is no regular file is written to, and stays what it is; so does a symbolic link.
func TestWhatIsNoRegularFileIsWrittenTo(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	must(t, unix.Mkfifo(fifo, 0o600))
	read := make(chan string, 1)
	go func() { // ends when the writer has closed
		data, _ := os.ReadFile(fifo)
		read <- string(data)
	}()
	must(t, wholefile.Write(fifo, text("through")))
	if got := <-read; got != "through" {
		t.Errorf("through the fifo came %q", got)
	}
	must(t, wholefile.Write("/dev/null", text("x")))

	must(t, os.Mkdir(filepath.Join(dir, "there"), 0o700))
	link, target := filepath.Join(dir, "link"), filepath.Join(dir, "there", "report")
	must(t, os.Symlink("there/report", link))
	for _, content := range []string{"first", "second"} { // where nothing is yet, and where something is
		must(t, wholefile.Write(link, text(content)))
		want(t, target, content, 0o666&^mask())
	}
	if got, err := os.Readlink(link); err != nil || got != "there/report" {
		t.Errorf("the link leads to %q, %v", got, err)
	}
	wantOnly(t, filepath.Join(dir, "there"), "report")
	must(t, os.Symlink("loop", filepath.Join(dir, "loop")))
	if err := wholefile.Write(filepath.Join(dir, "loop"), text("x")); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("a loop of links: %v", err)
	}
}

// A single file that is mounted, as into a container, cannot be replaced: it is written to.
func TestAMountedFileIsWrittenTo(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, for a mount")
	}
	dir := t.TempDir()
	outside, inside := filepath.Join(dir, "outside"), filepath.Join(dir, "inside")
	must(t, os.WriteFile(outside, []byte("longer than what comes"), 0o600))
	must(t, os.WriteFile(inside, nil, 0o600))
	must(t, unix.Mount(outside, inside, "", unix.MS_BIND, ""))
	t.Cleanup(func() { must(t, unix.Unmount(inside, 0)) })
	must(t, wholefile.Write(inside, text("content")))
	want(t, outside, "content", 0o600)
	wantOnly(t, dir, "inside", "outside")
}

// What only looks like a file that was left stays.
func TestSomebodysOwnFilesStay(t *testing.T) {
	dir := t.TempDir()
	own := []string{".tmp-report-", ".tmp-report-0123456", ".tmp-report-012345678", ".tmp-report-0123456G",
		".tmp-report-draft-12345678", ".tmp-report-notes"}
	for _, name := range own {
		must(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	must(t, os.WriteFile(filepath.Join(dir, ".tmp-report-0123cdef"), nil, 0o600))
	must(t, wholefile.Write(filepath.Join(dir, "report"), text("new")))
	slices.Sort(own)
	wantOnly(t, dir, append(own, "report")...)
}
