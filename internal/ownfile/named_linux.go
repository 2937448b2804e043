package ownfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"golang.org/x/sys/unix"
)

// maxLinks is the most symbolic links that are followed, as in the kernel.
const maxLinks = 40

// handed matches the names of descriptors that this process was started with.
var handed = regexp.MustCompile(`^/(dev/stdin|dev/fd/[0-9]+|proc/self/fd/[0-9]+)$`)

// ReadNamed returns what is in the file that a person named in a setting, at most so many bytes.
// Unlike Read it follows symbolic links, those of this user and of root alone; takes what is open
// already, as /dev/stdin and what a shell makes of <(…); and takes files of the user who called
// sudo(8).
func ReadNamed(path string, most int64) ([]byte, error) {
	return all(most)(named(path, func(unix.Stat_t) error { return nil }))
}

// ReadSecret does what ReadNamed does for a file with a secret: others must not be able to read it,
// nor the group to write to it.
func ReadSecret(path string, most int64) ([]byte, error) {
	return all(most)(named(path, func(st unix.Stat_t) error {
		if st.Mode&0o027 != 0 {
			return fmt.Errorf("others can use it (mode %04o); chmod g-w,o= it", st.Mode&0o7777)
		}
		return nil
	}))
}

// named opens the file for ReadNamed; check returns what else is wrong with it.
func named(path string, check func(unix.Stat_t) error) (*os.File, error) {
	if handed.MatchString(path) {
		return os.Open(path)
	}
	at := path
	for range maxLinks {
		fd, err := open(place{unix.AT_FDCWD, at, path}, os.O_RDONLY, 0, false)
		if errors.Is(err, ErrLink) {
			if at, err = behind(at); err == nil {
				continue
			}
			return nil, &fs.PathError{Op: "open", Path: path, Err: err}
		}
		if err != nil {
			return nil, err
		}
		f := os.NewFile(uintptr(fd), path)
		var st unix.Stat_t
		if err = unix.Fstat(fd, &st); err == nil && !mayBeNamed(st.Uid) {
			err = &ForeignError{st.Uid}
		}
		if err == nil {
			err = check(st)
		}
		if err != nil {
			f.Close() // read only
			return nil, &fs.PathError{Op: "open", Path: path, Err: err}
		}
		return f, nil
	}
	return nil, &fs.PathError{Op: "open", Path: path, Err: unix.ELOOP}
}

// behind returns where a symbolic link leads that may be followed.
func behind(link string) (string, error) {
	var st unix.Stat_t
	if err := unix.Lstat(link, &st); err != nil {
		return "", err
	}
	if !mayBeNamed(st.Uid) {
		return "", fmt.Errorf("a symbolic link on the way to it cannot be followed: %w", &ForeignError{st.Uid})
	}
	target, err := os.Readlink(link)
	if err != nil {
		return "", err
	}
	if !filepath.IsAbs(target) {
		target = filepath.Join(filepath.Dir(link), target)
	}
	return target, nil
}

// mayBeNamed reports whether a file of that user may be named in a setting.
func mayBeNamed(uid uint32) bool {
	if mine(uid) {
		return true
	}
	caller, err := strconv.ParseUint(os.Getenv("SUDO_UID"), 10, 32)
	return os.Geteuid() == 0 && err == nil && uint32(caller) == uid
}
