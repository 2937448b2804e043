package wholefile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"bulkhead/internal/flock"
	"bulkhead/internal/ownfile"
)

// Prefix begins the names of files that are being written. Their writer has them locked,
// so that the next one can tell what a killed one has left, and removes it.
const Prefix = ".tmp-"

const (
	// maxLinks is the most symbolic links that are followed, as in the kernel.
	maxLinks = 40
	// nameBytes is the longest name of a file in most file systems.
	nameBytes = 255
)

// Write writes what render writes to the file at path, which is new or takes the place of
// the one that was there, with the mode and, if possible, the owner of that. A symbolic
// link stays one. What is no regular file, or under /dev or /proc, is written to directly;
// so is a file in a directory that takes no further one, or that is a mount of its own,
// which may then be left half written; for the latter render is called a second time. Errors of writing name path.
func Write(path string, render func(io.Writer) error) error {
	place, err := follow(path)
	if err != nil {
		return err
	}
	old, err := os.Stat(place)
	switch {
	case err == nil && (!old.Mode().IsRegular() || special(place)):
		return direct(path, place, os.O_APPEND, render)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return named(path, err)
	case err != nil:
		old = nil
	}
	err = beside(path, place, old, render)
	if old != nil && errors.Is(err, errNoRoomBeside) {
		return direct(path, place, os.O_TRUNC, render)
	}
	return err
}

// follow returns what a path leads to; its last part need not be there.
func follow(path string) (string, error) {
	for place, n := path, 0; ; n++ {
		target, err := os.Readlink(place)
		switch {
		case err != nil, special(place):
			return place, nil // no link, nothing there, or what the kernel knows of
		case n == maxLinks:
			return "", &fs.PathError{Op: "open", Path: path, Err: syscall.ELOOP}
		case !filepath.IsAbs(target):
			target = filepath.Join(filepath.Dir(place), target)
		}
		place = target
	}
}

// special reports whether the kernel makes the names there.
func special(place string) bool {
	whole, err := filepath.Abs(place)
	return err == nil && (strings.HasPrefix(whole, "/dev/") && !strings.HasPrefix(whole, "/dev/shm/") ||
		strings.HasPrefix(whole, "/proc/"))
}

// direct writes to what is there.
func direct(path, place string, flag int, render func(io.Writer) error) error {
	f, err := os.OpenFile(place, os.O_WRONLY|flag, 0)
	if err != nil {
		return named(path, err)
	}
	return named(path, errors.Join(render(f), f.Close()))
}

// errNoRoomBeside says that the directory does not take a new file, or that nothing can
// take the place of the old one.
var errNoRoomBeside = errors.New("the directory takes no new file")

// beside writes a new file in the same directory and renames it.
func beside(path, place string, old fs.FileInfo, render func(io.Writer) error) (err error) {
	dir, base := filepath.Split(place)
	if dir == "" {
		dir = "."
	}
	prefix := Prefix + base[:min(len(base), nameBytes-len(Prefix)-12)] + "-"
	removeLeft(dir, prefix)
	f, err := create(dir, prefix)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("%w: %w", errNoRoomBeside, named(path, err))
	}
	if err != nil {
		return named(path, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
		f.Close() // also the lock; what matters was said by Sync
	}()
	if old != nil {
		if was, ok := old.Sys().(*syscall.Stat_t); ok {
			_ = f.Chown(int(was.Uid), int(was.Gid)) // which only root may, for most
		}
		if err := f.Chmod(old.Mode().Perm()); err != nil {
			return named(path, err)
		}
	}
	if err := render(f); err != nil {
		return named(path, err)
	}
	if err := f.Sync(); err != nil {
		return named(path, err)
	}
	if err := os.Rename(f.Name(), place); err != nil {
		// a mount, or another's in a sticky directory
		if errors.Is(err, syscall.EBUSY) || errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("%w: %w", errNoRoomBeside, named(path, err))
		}
		return named(path, err)
	}
	_ = SyncFolder(dir) // the file is there; what a power cut takes back is the one before
	return nil
}

// SyncFolder makes durable what was made, renamed or removed in a folder. File systems that cannot do that
// keep the order themselves.
func SyncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close() // a folder
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
		return err
	}
	return nil
}

// create makes a new file and locks it.
func create(dir, prefix string) (*os.File, error) {
	for {
		path := filepath.Join(dir, fmt.Sprintf("%s%0*x", prefix, randomDigits, rand.Uint32()))
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		_ = flock.Try(f) // a file system without locks has no one who looks for them
		if same(f, path) {
			return f, nil
		}
		f.Close() // it was taken for one that is left
	}
}

// randomDigits is how many hexadecimal digits end the name of a file that is being written.
const randomDigits = 8

// isRandom reports whether a name may end so.
func isRandom(end string) bool {
	return len(end) == randomDigits && strings.Trim(end, "0123456789abcdef") == ""
}

// removeLeft removes what was left by writers of the same file that were killed.
func removeLeft(dir, prefix string) {
	entries, _ := os.ReadDir(dir) // what is left may stay
	for _, e := range entries {
		if rest, ours := strings.CutPrefix(e.Name(), prefix); !ours || !isRandom(rest) || !e.Type().IsRegular() {
			continue // of another file, or somebody's own
		}
		path := filepath.Join(dir, e.Name())
		f, err := ownfile.Open(path, os.O_WRONLY, 0)
		if err != nil {
			continue
		}
		if flock.Try(f) == nil && same(f, path) {
			os.Remove(path)
		}
		f.Close()
	}
}

// same reports whether an open file still is what is at path.
func same(f *os.File, path string) bool {
	open, err := f.Stat()
	there, errThere := os.Lstat(path)
	return err == nil && errThere == nil && os.SameFile(open, there)
}

// named returns an error of the file at path, which its user knows by that name.
func named(path string, err error) error {
	var p *fs.PathError
	var l *os.LinkError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &p) && (p.Path == path || strings.HasPrefix(filepath.Base(p.Path), Prefix)):
		return &fs.PathError{Op: p.Op, Path: path, Err: p.Err}
	case errors.As(err, &l):
		return &fs.PathError{Op: "rename", Path: path, Err: l.Err}
	default:
		return err
	}
}
