package journal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"bulkhead/internal/ownfile"
)

// errNoGain says that the file system gains nothing from zeros written ahead, or that nobody
// knows whether it does.
var errNoGain = errors.New("the file system gains nothing from zeros written ahead")

// fileOnDisk is a segment file of a folder. Its own methods belong to the writer, but for Zero
// and SyncZeros.
type fileOnDisk struct {
	*os.File
	at    int64 // where Write continues
	whole bool  // the next Sync is an fsync
}

// segmentFileAt opens a segment file, to be written from its end on.
func (d folder) segmentFileAt(name string, flags int) (segmentFile, error) {
	file, err := ownfile.Open(filepath.Join(string(d), name), flags|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		file.Close() // nothing was written to it
		return nil, err
	}
	return &fileOnDisk{File: file, at: size, whole: true}, nil
}

// Write implements segmentFile.
func (f *fileOnDisk) Write(p []byte) (int, error) {
	n, err := f.WriteAt(p, f.at)
	f.at += int64(n)
	return n, err
}

// Truncate implements segmentFile.
func (f *fileOnDisk) Truncate(size int64) error {
	f.whole = true
	if err := f.File.Truncate(size); err != nil {
		return err
	}
	f.at = size
	return nil
}

// Sync implements segmentFile. fdatasync(2) forces out the data, and a size that has grown. Where
// the file was overwritten it leaves the file system's own journal alone, and that is half of
// the time.
func (f *fileOnDisk) Sync() error {
	if !f.whole {
		return f.SyncZeros()
	}
	if err := f.File.Sync(); err != nil {
		return err
	}
	f.whole = false
	return nil
}

// SyncZeros implements segmentFile.
func (f *fileOnDisk) SyncZeros() error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) {
		for failed = syscall.EINTR; failed == syscall.EINTR; {
			failed = syscall.Fdatasync(int(fd))
		}
	}); err != nil {
		return err
	}
	if failed != nil {
		return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: failed}
	}
	return nil
}

// Zero implements segmentFile.
func (f *fileOnDisk) Zero(from, to int64) error {
	for at := from; at < to; {
		n, err := f.WriteAt(zeros[:min(to-at, int64(len(zeros)))], at)
		if err != nil {
			return err
		}
		at += int64(n)
	}
	return nil
}

// zeros is what Zero writes, and never changes.
var zeros [64 << 10]byte

// gains returns errNoGain unless blocks of d that were written once are later overwritten
// where they are, as ext4 and XFS do. Those of tmpfs are in memory, and btrfs and ZFS write
// each time elsewhere.
func (d folder) gains() error {
	var fs unix.Statfs_t
	if err := unix.Statfs(string(d), &fs); err != nil {
		return fmt.Errorf("looking at the file system of %s: %w", d, err)
	}
	switch int64(fs.Type) {
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC:
		return nil
	}
	return errNoGain
}
