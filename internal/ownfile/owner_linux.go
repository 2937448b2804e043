package ownfile

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ours returns why a file at a place that belongs to uid is not this user's.
func (p place) ours(uid uint32) error {
	if mine(uid) {
		return nil
	}
	dir, err := p.folder, error(nil)
	if dir == unix.AT_FDCWD {
		if dir, err = unix.Open(filepath.Dir(p.path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
			return &ForeignError{uid}
		}
		defer unix.Close(dir)
	}
	if made, ok := ownerOfNew(dir); ok && made == uid {
		return nil
	}
	return &ForeignError{uid}
}

// mine reports whether uid is this user, or root, who may do anything anyway.
func mine(uid uint32) bool { return uid == 0 || int64(uid) == int64(os.Geteuid()) }

// ownerOfNew returns whose a file is that this process makes in a folder.
func ownerOfNew(folder int) (uid uint32, ok bool) {
	name := fmt.Sprintf(".tmp-owner-%08x", rand.Uint32())
	fd, err := unix.Openat(folder, name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|careful, 0o600)
	if err != nil {
		return 0, false
	}
	defer unix.Close(fd) // nothing was written
	var st unix.Stat_t
	err = errors.Join(unix.Fstat(fd, &st), unix.Unlinkat(folder, name, 0))
	return st.Uid, err == nil
}

// CheckFolder returns why a folder is not safe to keep files in: it is another user's, reached by a
// link of another user, or open to be written by everybody.
func CheckFolder(path string) error {
	fail := func(err error) error { return &fs.PathError{Op: "open", Path: path, Err: err} }
	var link, st unix.Stat_t
	if err := unix.Lstat(path, &link); err != nil {
		return fail(err)
	}
	dir, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fail(err)
	}
	defer unix.Close(dir)
	if err := unix.Fstat(dir, &st); err != nil {
		return fail(err)
	}
	if !mine(st.Uid) || !mine(link.Uid) {
		made, ok := ownerOfNew(dir)
		for _, uid := range []uint32{st.Uid, link.Uid} {
			if !mine(uid) && !(ok && uid == made) {
				return fail(&ForeignError{uid})
			}
		}
	}
	if st.Mode&unix.S_IWOTH != 0 && st.Mode&unix.S_ISVTX == 0 {
		return fail(fmt.Errorf("%w (mode %04o); chmod o-w it", ErrOpenToAll, st.Mode&0o7777))
	}
	return nil
}
