// Package disk is the folder that a consumer writes to, as its writers need it: plain system calls,
// relative to the open folder, that follow no symbolic link.
package disk

import (
	"errors"
	"os"

	"bulkhead/client/verify"
)

// Disk is what the writers need of the folder they write to. Open returns the real one;
// tests script errors, short writes and calls that do not return. Names are
// of files in that folder. Methods may be called at the same time.
type Disk interface {
	// Create makes a new file and opens it for writing. A file that exists
	// already is an error.
	Create(name string, mode Mode) (File, error)
	// Reopen opens a file that create made before, for writing over it.
	Reopen(name string, mode Mode) (File, error)
	// Remove deletes a file; that it does not exist is no error.
	Remove(name string) error
	// Free returns what the file system still has for this user.
	Free() (Space, error)
	// DirectUnit returns what every offset and size of a file opened with O_DIRECT is
	// a multiple of, a power of two. It returns errNoDirect if the file system does
	// not write past the page cache.
	DirectUnit() (int, error)
	// CanAllocate returns errNoAllocate if the file system cannot allocate space for
	// a file beforehand.
	CanAllocate() error
	// ReadBack opens a file for reading it back.
	ReadBack(name string) (*verify.File, error)
	// Read opens a finished file for reading it beside the writing, with O_DIRECT or through
	// the page cache.
	Read(name string, direct bool) (Reading, error)
	// Note puts a few bytes into a small file, which it makes if it is not there, and opens and
	// closes for that.
	Note(name string, at int64, data []byte) error
	// Site opens the folder around the client's folder that this one is in, and returns whose that
	// is.
	Site() (site *os.File, user uint32, err error)
	// Close lets go of the folder.
	Close() error
}

var (
	ErrNoDirect   = errors.New("direct: this file system does not write past the page cache (O_DIRECT)")
	ErrNoAllocate = errors.New("preallocate: this file system cannot allocate space for a file beforehand (fallocate)")
)

// Mode is how files are opened.
type Mode struct {
	Direct bool // O_DIRECT
	DSync  bool // O_DSYNC
	Append bool // O_APPEND
}

// File is one open File.
type File interface {
	// Write passes data to the kernel once, for that place in the file, and returns
	// how many bytes it took, which may be fewer than given. Unless err is nil, n is
	// 0. A file opened with O_APPEND takes it at its end, wherever that is.
	Write(data []byte, offset uint64) (n int, err error)
	// Size returns how long the file is.
	Size() (uint64, error)
	// Allocate reserves the space for that many bytes. It makes the file that long,
	// too, unless it is appended to.
	Allocate(size uint64) error
	// Truncate cuts the file off behind that many bytes.
	Truncate(size uint64) error
	// SetDirect sets or clears O_DIRECT.
	SetDirect(on bool) error
	// Datasync forces what was written to storage, and what is needed to read it.
	Datasync() error
	// Sync forces what was written to storage, and all that is known of the file.
	Sync() error
	// Close closes the file, once, whatever it returns.
	Close() error
}

// Reading is one file that is open for reading.
type Reading interface {
	// Read fills data from that place of the file, and returns how many bytes there were: fewer
	// than asked for only where the file ends.
	Read(data []byte, offset uint64) (n int, err error)
	// Cached returns how many bytes of a part of the file reading would take from the page
	// cache now; told is false where the system does not say.
	Cached(offset, length uint64) (cached uint64, told bool)
	// Close closes the file, once, whatever it returns.
	Close() error
}

// Space is what a file system has free for this user.
type Space struct {
	Bytes  uint64
	Inodes uint64 // math.MaxUint64 if it does not limit them
}
