package disk

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"bulkhead/client/verify"
)

// osDisk is a folder of the machine, by plain system calls: an os.File would add
// its own locking and retry partial writes unseen. Everything is done relative to
// the open folder and follows no symbolic link, so that nobody who can write into
// the folder can lead the load out of it.
type osDisk struct {
	folder *os.File // a call in flight keeps it open beside close
	device uint64   // the file system of the folder
	inode  atomic.Uint64
}

func Open(folder string) (Disk, error) {
	opened, stat, err := openFolder(folder)
	if err != nil {
		return nil, err
	}
	d := &osDisk{folder: opened, device: stat.Dev}
	d.inode.Store(stat.Ino)
	return d, nil
}

// openFolder opens a consumer's folder. Neither it nor the client's folder around it may
// be a symbolic link; the path above them may hold some.
func openFolder(path string) (folder *os.File, stat unix.Stat_t, err error) {
	above, err := os.OpenFile(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, stat, err
	}
	defer above.Close()
	var fd int
	err = retried(func() (err error) {
		const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
		fd, err = unix.Openat(int(above.Fd()), filepath.Base(path), flags, 0)
		return err
	})
	if err != nil {
		return nil, stat, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	folder = os.NewFile(uintptr(fd), path)
	if err := unix.Fstat(fd, &stat); err != nil {
		return nil, stat, errors.Join(&fs.PathError{Op: "stat", Path: path, Err: err}, folder.Close())
	}
	return folder, stat, nil
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

// present returns an error unless the folder is where it was, so that nothing is
// written where nobody looks for it. A folder that was made anew in the place of the
// one that is open is written to from then on.
func (d *osDisk) present() error {
	var stat unix.Stat_t
	if err := retried(func() error { return unix.Lstat(d.folder.Name(), &stat) }); err != nil {
		return err
	}
	if stat.Dev == d.device && stat.Ino == d.inode.Load() {
		return nil
	}
	return d.again()
}

// again opens the folder that is where the open one was. It must be on the same file
// system: otherwise the load would go to the one that an unmounted one was on.
func (d *osDisk) again() error {
	folder, stat, err := openFolder(d.folder.Name())
	if err != nil {
		return err
	}
	defer folder.Close()
	if stat.Dev != d.device {
		return errors.New("its folder is on another file system than when the load began")
	}
	// It gets the same number at once, so that nobody who is about to use the number
	// meets a closed one.
	err = d.in(func(fd int) error { return unix.Dup3(int(folder.Fd()), fd, unix.O_CLOEXEC) })
	if err == nil {
		d.inode.Store(stat.Ino)
	}
	return err
}

func (d *osDisk) Create(name string, mode Mode) (File, error) {
	const flags = unix.O_CREAT | unix.O_EXCL
	if err := d.present(); err != nil {
		return nil, &fs.PathError{Op: "create", Path: d.path(name), Err: err}
	}
	f, err := d.open("create", name, flags, mode)
	if errors.Is(err, unix.ENOENT) { // the new folder may have the number of the old one
		if again := d.again(); again != nil {
			return nil, err
		}
		f, err = d.open("create", name, flags, mode)
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (d *osDisk) Reopen(name string, mode Mode) (File, error) {
	if err := d.present(); err != nil {
		return nil, &fs.PathError{Op: "open", Path: d.path(name), Err: err}
	}
	// O_NONBLOCK does nothing to a file and makes a FIFO in its place an error.
	f, err := d.open("open", name, unix.O_NONBLOCK, mode)
	if err != nil {
		return nil, err
	}
	var stat unix.Stat_t
	if err = unix.Fstat(f.fd, &stat); err == nil && (stat.Mode&unix.S_IFMT != unix.S_IFREG || stat.Nlink != 1) {
		err = errors.New("the file was replaced while it was in use")
	}
	if err != nil {
		return nil, errors.Join(&fs.PathError{Op: "open", Path: f.path, Err: err}, f.Close())
	}
	return f, nil
}

func (d *osDisk) open(op, name string, flags int, mode Mode) (*osFile, error) {
	flags |= unix.O_WRONLY | unix.O_CLOEXEC | unix.O_NOFOLLOW
	if mode.Direct {
		flags |= unix.O_DIRECT
	}
	if mode.DSync {
		flags |= unix.O_DSYNC
	}
	if mode.Append {
		flags |= unix.O_APPEND
	}
	f := &osFile{path: d.path(name), appended: mode.Append}
	err := d.in(func(fd int) (err error) { f.fd, err = unix.Openat(fd, name, flags, 0o600); return })
	if err != nil {
		return nil, &fs.PathError{Op: op, Path: f.path, Err: err}
	}
	return f, nil
}

func (d *osDisk) Remove(name string) error {
	err := d.in(func(fd int) error { return unix.Unlinkat(fd, name, 0) })
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return &fs.PathError{Op: "remove", Path: d.path(name), Err: err}
	}
	return nil
}

func (d *osDisk) ReadBack(name string) (f *verify.File, err error) {
	err = d.in(func(fd int) (err error) { f, err = verify.OpenAt(fd, d.path(name)); return })
	return f, err
}

// Note writes nothing through a link, nor to what has another name.
func (d *osDisk) Note(name string, at int64, data []byte) error {
	const flags = unix.O_WRONLY | unix.O_CREAT | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	f := &osFile{path: d.path(name)}
	err := d.in(func(fd int) (err error) { f.fd, err = unix.Openat(fd, name, flags, 0o600); return })
	if err != nil {
		return &fs.PathError{Op: "open", Path: f.path, Err: err}
	}
	var stat unix.Stat_t
	if err = unix.Fstat(f.fd, &stat); err == nil && (stat.Mode&unix.S_IFMT != unix.S_IFREG || stat.Nlink != 1) {
		err = errors.New("it is not a file of this consumer alone")
	}
	for err == nil && len(data) > 0 {
		var n int
		n, err = f.Write(data, uint64(at))
		data, at = data[n:], at+int64(n)
	}
	return errors.Join(err, f.Close())
}

// Site goes up from the open folder, wherever a path would lead now.
func (d *osDisk) Site() (site *os.File, user uint32, err error) {
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC
	path := filepath.Dir(filepath.Dir(d.folder.Name()))
	var at int
	var stat unix.Stat_t
	err = d.in(func(fd int) (err error) {
		if err = unix.Fstat(fd, &stat); err == nil {
			at, err = unix.Openat(fd, "../..", flags, 0)
		}
		return err
	})
	if err != nil {
		return nil, 0, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(at), path), stat.Uid, nil
}

func (d *osDisk) Free() (Space, error) {
	stat, err := d.system()
	free := Space{Bytes: stat.Bavail * uint64(stat.Frsize), Inodes: stat.Ffree}
	if stat.Files == 0 { // btrfs and others make inodes as they need them
		free.Inodes = math.MaxUint64
	}
	return free, err
}

// system returns what is known of the file system.
func (d *osDisk) system() (stat unix.Statfs_t, err error) {
	if err := d.in(func(fd int) error { return unix.Fstatfs(fd, &stat) }); err != nil {
		return stat, &fs.PathError{Op: "statfs", Path: d.folder.Name(), Err: err}
	}
	return stat, nil
}

func (d *osDisk) Close() error { return d.folder.Close() }

// retried calls do until a signal does not interrupt it.
func retried(do func() error) error {
	for {
		if err := do(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
