package ownfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// careful are flags of every open: no wait, no link, no terminal.
const careful = unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC

// Open opens the file at path as os.OpenFile does, if it is a regular file of this user or of root;
// with O_CREATE, it may make it. Its errors name the path.
func Open(path string, flag int, perm fs.FileMode) (*os.File, error) {
	return file(path)(open(place{unix.AT_FDCWD, path, path}, flag, perm, true))
}

// OpenIn does what Open does for a name in a folder; it has no slash.
func OpenIn(folder *os.Root, name string, flag int, perm fs.FileMode) (*os.File, error) {
	path := filepath.Join(folder.Name(), name)
	if filepath.Base(name) != name {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrInvalid}
	}
	dir, err := folder.Open(".")
	if err != nil {
		return nil, err
	}
	defer dir.Close() // a folder
	return file(path)(open(place{int(dir.Fd()), name, path}, flag, perm, true))
}

// Peek opens the file at path for reading, whoever it belongs to: a part of what a person asks to
// see. It waits for nothing, and takes nothing but a regular file.
func Peek(path string) (*os.File, error) {
	return file(path)(open(place{unix.AT_FDCWD, path, path}, os.O_RDONLY, 0, false))
}

// PeekThrough does what Peek does for a file that the person named, and follows symbolic links.
func PeekThrough(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path, Err: &KindError{info.Mode()}}
	}
	if err != nil {
		f.Close() // read only
		return nil, err
	}
	return f, nil
}

// Read returns what is in the file at path, at most so many bytes; it opens it as Open does.
func Read(path string, most int64) ([]byte, error) { return all(most)(Open(path, os.O_RDONLY, 0)) }

// ReadIn does what Read does for a name in a folder.
func ReadIn(folder *os.Root, name string, most int64) ([]byte, error) {
	return all(most)(OpenIn(folder, name, os.O_RDONLY, 0))
}

// Write makes the file at path hold data and nothing else; it opens it as Open does, and gives
// perm to a new one. It takes as few system calls as it can.
func Write(path string, data []byte, perm fs.FileMode) error {
	fd, err := open(place{unix.AT_FDCWD, path, path}, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, perm, true)
	if err != nil {
		return err
	}
	for len(data) > 0 && err == nil {
		var n int
		if n, err = unix.Write(fd, data); err == nil {
			data = data[n:]
		} else if errors.Is(err, unix.EINTR) {
			err = nil
		}
	}
	if err = errors.Join(err, unix.Close(fd)); err != nil {
		return &fs.PathError{Op: "write", Path: path, Err: err}
	}
	return nil
}

// place is a name in an open folder, and its whole path.
type place struct {
	folder     int
	name, path string
}

// open opens what is at a place, and returns its descriptor. own says that it has to be this user's.
func open(at place, flag int, perm fs.FileMode, own bool) (int, error) {
	fail := func(err error) (int, error) { return -1, &fs.PathError{Op: "open", Path: at.path, Err: err} }
	fd, err := -1, error(unix.EINTR)
	for errors.Is(err, unix.EINTR) { // what is there is not cut before it was looked at
		fd, err = unix.Openat(at.folder, at.name, flag&^os.O_TRUNC|careful, uint32(perm.Perm()))
	}
	var st unix.Stat_t
	if err != nil {
		if unix.Fstatat(at.folder, at.name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil {
			switch kind := kindOf(st.Mode); {
			case kind == fs.ModeSymlink && errors.Is(err, unix.ELOOP):
				err = ErrLink
			case kind != 0 && (errors.Is(err, unix.ENXIO) || errors.Is(err, unix.EISDIR)): // nobody reads a pipe
				err = &KindError{kind}
			}
		}
		return fail(err)
	}
	if err = unix.Fstat(fd, &st); err == nil {
		err = at.refusal(st, own)
	}
	if err == nil && flag&os.O_TRUNC != 0 && st.Size > 0 {
		err = unix.Ftruncate(fd, 0)
	}
	if err != nil {
		unix.Close(fd) // nothing was written
		return fail(err)
	}
	return fd, nil
}

// refusal returns why what was opened cannot be used.
func (p place) refusal(st unix.Stat_t, own bool) error {
	if kind := kindOf(st.Mode); kind != 0 {
		return &KindError{kind}
	}
	if own {
		return p.ours(st.Uid)
	}
	return nil
}

// kindOf returns the type of a file; 0 for a regular one.
func kindOf(mode uint32) fs.FileMode {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return 0
	case unix.S_IFDIR:
		return fs.ModeDir
	case unix.S_IFLNK:
		return fs.ModeSymlink
	case unix.S_IFIFO:
		return fs.ModeNamedPipe
	case unix.S_IFSOCK:
		return fs.ModeSocket
	case unix.S_IFCHR:
		return fs.ModeDevice | fs.ModeCharDevice
	default:
		return fs.ModeDevice
	}
}

// file makes a descriptor a file.
func file(path string) func(int, error) (*os.File, error) {
	return func(fd int, err error) (*os.File, error) {
		if err != nil {
			return nil, err
		}
		return os.NewFile(uintptr(fd), path), nil
	}
}

// all reads a file to its end, and closes it.
func all(most int64) func(*os.File, error) ([]byte, error) {
	return func(f *os.File, err error) ([]byte, error) {
		if err != nil {
			return nil, err
		}
		defer f.Close() // read only
		large := &fs.PathError{Op: "read", Path: f.Name(), Err: &SizeError{most}}
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() && info.Size() > most {
			return nil, large
		}
		data, err := io.ReadAll(io.LimitReader(f, most+1))
		if err == nil && int64(len(data)) > most { // it grew, or is none of a size
			err = large
		}
		if err != nil {
			return nil, err
		}
		return data, nil
	}
}
