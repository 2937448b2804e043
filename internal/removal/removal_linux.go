package removal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// firstBytes is how much of a folder is read at first, and batchBytes how much at once when there is
// more: most folders hold a file or none, and thousands may have to go at the same time.
const (
	firstBytes = 1 << 10
	batchBytes = 32 << 10
)

// errLate says that there was more to remove than there was time for.
var errLate = errors.New("there is more of it than can be removed in time")

// Tree removes what is at a path, with all that is in it if it is a folder, unless that takes longer
// than within. That nothing is there is no error. With an error it has removed what it could, and may
// have moved what is left further up.
func Tree(path string, within time.Duration) error {
	r := remover{until: time.Now().Add(within), next: rand.Uint64(), buffer: make([]byte, firstBytes)}
	if err := r.tree(filepath.Dir(path), filepath.Base(path)); err != nil {
		return fmt.Errorf("removing %s: %w", path, err)
	}
	return nil
}

// remover removes one tree.
type remover struct {
	until  time.Time
	device uint64 // of the topmost folder
	next   uint64 // name of a folder that is moved to the topmost one
	done   int    // how many were removed or moved
	buffer []byte // for what is read of a folder
	err    error  // the first
}

func (r *remover) tree(parent, base string) error {
	above, err := again(func() (int, error) {
		return unix.Open(parent, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	})
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(above)
	if isFolder, err := r.remove(above, base); !isFolder {
		return err
	}
	top, err := r.open(above, base)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(top)
	for {
		if r.empty(top, func(name string) error { return r.clear(top, name) }) {
			return r.err
		}
		if err := r.last(above, base); !errors.Is(err, unix.ENOTEMPTY) {
			return err
		}
	}
}

// last removes a folder that was emptied.
func (r *remover) last(above int, name string) error {
	isFolder, err := r.remove(above, name)
	if isFolder { // somebody fills it
		return unix.ENOTEMPTY
	}
	return err
}

// clear removes a folder in the topmost one, having moved up those in it which are not empty.
func (r *remover) clear(top int, name string) error {
	folder, err := r.open(top, name)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	left := r.empty(folder, func(below string) error { return r.raise(folder, below, top) })
	unix.Close(folder)
	if left {
		return r.err
	}
	return r.last(top, name)
}

// raise moves a folder up to the topmost one, under a name that is free there.
func (r *remover) raise(folder int, name string, top int) error {
	for loose := false; ; {
		r.next++
		err := unix.Renameat(folder, name, top, strconv.FormatUint(r.next, 36))
		switch {
		case err == nil, errors.Is(err, unix.ENOENT):
			r.done++
			return nil
		case errors.Is(err, unix.ENOTEMPTY), errors.Is(err, unix.EEXIST), errors.Is(err, unix.ENOTDIR):
			if time.Now().After(r.until) {
				return errLate
			}
		case errors.Is(err, unix.EACCES) && !loose: // who moves a folder must be allowed to write it
			loose = true
			if err := loosen(folder, name); err != nil {
				return err
			}
		default:
			return err
		}
	}
}

// empty removes what is in a folder: it calls deeper for each folder there which is not empty, until
// nothing is left or nothing goes away. It reports whether something is left.
func (r *remover) empty(folder int, deeper func(name string) error) (left bool) {
	for {
		before := r.done
		switch some := r.pass(folder, deeper); {
		case !some:
			return false
		case r.done == before, errors.Is(r.err, errLate):
			return true
		}
	}
}

// pass goes through a folder once, and reports whether there was anything. What is added or removed
// meanwhile may be seen or not.
func (r *remover) pass(folder int, deeper func(name string) error) (some bool) {
	if _, err := unix.Seek(folder, 0, unix.SEEK_SET); err != nil {
		r.note("", err)
		return true
	}
	for {
		n, err := again(func() (int, error) { return unix.Getdents(folder, r.buffer) })
		switch {
		case errors.Is(err, unix.ENOENT): // somebody else has removed the folder
			return some
		case err != nil:
			r.note("", err)
			return true
		case n == 0:
			return some
		}
		_, _, names := unix.ParseDirent(r.buffer[:n], -1, nil)
		if n > len(r.buffer)/2 && len(r.buffer) < batchBytes {
			r.buffer = make([]byte, batchBytes)
		}
		for _, name := range names {
			some = true
			if time.Now().After(r.until) {
				r.note("", errLate)
				return true
			}
			isFolder, err := r.remove(folder, name)
			if isFolder {
				err = deeper(name)
			}
			if err != nil {
				r.note(name, err)
			}
		}
	}
}

// note notes the first error.
func (r *remover) note(name string, err error) {
	const most = 64
	if name != "" && !errors.Is(err, errLate) && err != r.err {
		err = fmt.Errorf("%.*q: %w", most, name, err)
	}
	if r.err == nil || errors.Is(err, errLate) { // which says that no more is to be done
		r.err = err
	}
}

// remove removes a file, or a folder that is empty. It reports whether it is a folder that is not.
func (r *remover) remove(folder int, name string) (isFolder bool, err error) {
	err = unix.Unlinkat(folder, name, 0)
	switch {
	case err == nil, errors.Is(err, unix.ENOENT):
		r.done++
		return false, nil
	case !errors.Is(err, unix.EISDIR) && !errors.Is(err, unix.EPERM):
		return false, err
	}
	switch of := unix.Unlinkat(folder, name, unix.AT_REMOVEDIR); {
	case of == nil, errors.Is(of, unix.ENOENT):
		r.done++
		return false, nil
	case errors.Is(of, unix.ENOTEMPTY), errors.Is(of, unix.EEXIST):
		return true, nil
	case errors.Is(of, unix.ENOTDIR):
		return false, err
	default:
		return false, of
	}
}

// open opens a folder, not what a link leads to or what is mounted there, so that its entries can be
// read and removed.
func (r *remover) open(above int, name string) (int, error) {
	fd, err := openBelow(above, name)
	if errors.Is(err, unix.EACCES) {
		if err := loosen(above, name); err != nil {
			return -1, err
		}
		fd, err = openBelow(above, name)
	}
	if err != nil {
		return -1, err
	}
	var info unix.Stat_t
	if err := unix.Fstat(fd, &info); err != nil {
		unix.Close(fd)
		return -1, err
	}
	if r.device == 0 {
		r.device = info.Dev
	}
	if info.Dev != r.device {
		unix.Close(fd)
		return -1, unix.EXDEV
	}
	if info.Mode&unix.S_IRWXU != unix.S_IRWXU {
		_ = unix.Fchmod(fd, unix.S_IRWXU) // what it does not permit fails
	}
	return fd, nil
}

func openBelow(above int, name string) (int, error) {
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := again(func() (int, error) {
		return unix.Openat2(above, name, &unix.OpenHow{Flags: flags,
			Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_SYMLINKS})
	})
	if errors.Is(err, unix.ENOSYS) { // before Linux 5.6
		fd, err = again(func() (int, error) { return unix.Openat(above, name, flags, 0) })
	}
	return fd, err
}

// loosen lets this user into a folder of its own that lets nobody in.
func loosen(above int, name string) error {
	fd, err := again(func() (int, error) {
		return unix.Openat(above, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Chmod("/proc/self/fd/"+strconv.Itoa(fd), unix.S_IRWXU) // that very folder, whatever has its name
}

// again calls f until no signal interrupts it.
func again(f func() (int, error)) (int, error) {
	for {
		if n, err := f(); err != unix.EINTR {
			return n, err
		}
	}
}
