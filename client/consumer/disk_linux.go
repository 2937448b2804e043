package consumer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// osDisk is a folder of the machine, by plain system calls: an os.File would add
// its own locking and retry partial writes unseen. Everything is done relative to
// the open folder and follows no symbolic link, so that nobody who can write into
// the folder can lead the load out of it.
type osDisk struct {
	folder *os.File // a call in flight keeps it open beside close
	device uint64   // the file system of the folder
}

func openDisk(folder string) (disk, error) {
	d := new(osDisk)
	var err error
	d.folder, d.device, err = openFolder(folder)
	if err != nil {
		return nil, err
	}
	return d, nil
}

func openFolder(path string) (folder *os.File, device uint64, err error) {
	folder, err = os.OpenFile(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, 0, err
	}
	var stat unix.Stat_t
	if err := unix.Fstat(int(folder.Fd()), &stat); err != nil {
		return nil, 0, errors.Join(&fs.PathError{Op: "stat", Path: path, Err: err}, folder.Close())
	}
	return folder, stat.Dev, nil
}

// in calls do with the open folder, again when a signal interrupted it.
func (d *osDisk) in(do func(fd int) error) (err error) {
	conn, err := d.folder.SyscallConn()
	if err != nil {
		return err
	}
	if closed := conn.Control(func(fd uintptr) {
		err = retried(func() error { return do(int(fd)) })
	}); closed != nil {
		return closed
	}
	return err
}

func (d *osDisk) path(name string) string { return filepath.Join(d.folder.Name(), name) }

// again opens a folder that was removed and made anew, in the place of the one that
// is open. It must be on the same file system: otherwise the load would go to the one
// that an unmounted one was on.
func (d *osDisk) again() error {
	folder, device, err := openFolder(d.folder.Name())
	if err != nil {
		return err
	}
	defer folder.Close()
	if device != d.device {
		return fmt.Errorf("%s is on another file system than when the load began", d.folder.Name())
	}
	// The new folder gets the same number at once, so that nobody who is about to use
	// the number meets a closed one.
	return d.in(func(fd int) error { return unix.Dup3(int(folder.Fd()), fd, unix.O_CLOEXEC) })
}

// inPlace makes sure that the open folder is the one at its path. The load does not
// follow a folder that was moved away: files are looked for, and cleaned up, at the path.
func (d *osDisk) inPlace() error {
	var open, there unix.Stat_t
	if err := d.in(func(fd int) error { return unix.Fstat(fd, &open) }); err != nil {
		return err
	}
	err := retried(func() error { return unix.Lstat(d.folder.Name(), &there) })
	if err != nil {
		return &fs.PathError{Op: "open", Path: d.folder.Name(), Err: err}
	}
	if open.Dev == there.Dev && open.Ino == there.Ino {
		return nil
	}
	return d.again()
}

func (d *osDisk) create(name string, mode openMode) (file, error) {
	if err := d.inPlace(); err != nil {
		return nil, err
	}
	const flags = unix.O_CREAT | unix.O_EXCL
	f, err := d.open("create", name, flags, mode)
	if errors.Is(err, unix.ENOENT) { // only the folder can be missing
		if again := d.again(); again != nil {
			return nil, errors.Join(err, again)
		}
		f, err = d.open("create", name, flags, mode)
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (d *osDisk) reopen(name string, mode openMode) (file, error) {
	// O_NONBLOCK does nothing to a file and makes a FIFO in its place an error.
	f, err := d.open("open", name, unix.O_NONBLOCK, mode)
	if err != nil {
		return nil, err
	}
	var stat unix.Stat_t
	if err = unix.Fstat(f.fd, &stat); err == nil && (stat.Mode&unix.S_IFMT != unix.S_IFREG || stat.Nlink != 1) {
		err = errors.New("somebody put something else in the place of this file")
	}
	if err != nil {
		return nil, errors.Join(&fs.PathError{Op: "open", Path: f.path, Err: err}, f.close())
	}
	return f, nil
}

func (d *osDisk) open(op, name string, flags int, mode openMode) (*osFile, error) {
	flags |= unix.O_WRONLY | unix.O_CLOEXEC | unix.O_NOFOLLOW
	if mode.direct {
		flags |= unix.O_DIRECT
	}
	if mode.dsync {
		flags |= unix.O_DSYNC
	}
	if mode.appended {
		flags |= unix.O_APPEND
	}
	f := &osFile{path: d.path(name), appended: mode.appended}
	err := d.in(func(fd int) (err error) { f.fd, err = unix.Openat(fd, name, flags, 0o600); return })
	if err != nil {
		return nil, &fs.PathError{Op: op, Path: f.path, Err: err}
	}
	return f, nil
}

func (d *osDisk) remove(name string) error {
	err := d.in(func(fd int) error { return unix.Unlinkat(fd, name, 0) })
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return &fs.PathError{Op: "remove", Path: d.path(name), Err: err}
	}
	return nil
}

func (d *osDisk) free() (uint64, error) {
	stat, err := d.system()
	return stat.Bavail * uint64(stat.Frsize), err
}

// system returns what is known of the file system.
func (d *osDisk) system() (stat unix.Statfs_t, err error) {
	if err := d.in(func(fd int) error { return unix.Fstatfs(fd, &stat) }); err != nil {
		return stat, &fs.PathError{Op: "statfs", Path: d.folder.Name(), Err: err}
	}
	return stat, nil
}

func (d *osDisk) close() error { return d.folder.Close() }

// retried calls do until a signal does not interrupt it.
func retried(do func() error) error {
	for {
		if err := do(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
