package agent

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// beneath returns an error unless a path leads to a folder below root, or to nowhere yet, without a
// link or a mount of magic on its way: as far as it is there, the kernel is asked. What is not there,
// a client makes. path is clean, and root or below it.
func beneath(root, path string) error {
	for {
		fd, err := openBeneath(root, path)
		switch {
		case err == nil:
			return unix.Close(fd)
		case errors.Is(err, unix.ENOENT) && path != root:
			// The part that is missing has no "..": the path is clean.
			path = filepath.Dir(path)
		case errors.Is(err, unix.ELOOP):
			return errors.New("leads over a symbolic link")
		case errors.Is(err, unix.ENOTDIR):
			return errors.New("leads over something that is no folder")
		case errors.Is(err, unix.EXDEV):
			return errors.New("leads out of it")
		default:
			return err
		}
	}
}

// openBeneath opens a folder for its path alone, root or below it, without a link on the way from there.
func openBeneath(root, path string) (fd int, err error) {
	dir, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("the folder that is allowed cannot be opened: %w", err)
	}
	defer unix.Close(dir) // of the path alone
	rest, err := filepath.Rel(root, path)
	if err != nil || rest == ".." || strings.HasPrefix(rest, "../") {
		return -1, errors.New("is not below it")
	}
	fd, err = unix.Openat2(dir, rest, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC | unix.O_DIRECTORY,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS})
	if errors.Is(err, unix.ENOSYS) { // before Linux 5.6, and where a service manager's filter cannot look into it
		fd, err = walkBeneath(dir, rest)
	}
	return fd, err
}

// walkBeneath does what openat2(2) does for a clean path without "..", folder by folder.
func walkBeneath(dir int, rest string) (fd int, err error) {
	const flags = unix.O_PATH | unix.O_CLOEXEC | unix.O_DIRECTORY | unix.O_NOFOLLOW
	at, err := unix.Openat(dir, ".", flags, 0)
	if err != nil {
		return -1, err
	}
	for name := range strings.SplitSeq(rest, "/") {
		next, err := unix.Openat(at, name, flags, 0)
		var st unix.Stat_t
		if errors.Is(err, unix.ENOTDIR) && unix.Fstatat(at, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil &&
			st.Mode&unix.S_IFMT == unix.S_IFLNK {
			err = unix.ELOOP
		}
		unix.Close(at)
		if err != nil {
			return -1, err
		}
		at = next
	}
	return at, nil
}
