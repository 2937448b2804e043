package consumer

import (
	"errors"

	"bulkhead/client/verify"
)

// disk is what the writers need of the folder they write to. The real one is
// osDisk; tests script errors, short writes and calls that do not return. Names are
// of files in that folder. Methods may be called at the same time.
type disk interface {
	// create makes a new file and opens it for writing. A file that exists
	// already is an error.
	create(name string, mode openMode) (file, error)
	// reopen opens a file that create made before, for writing over it.
	reopen(name string, mode openMode) (file, error)
	// remove deletes a file; that it does not exist is no error.
	remove(name string) error
	// free returns what the file system still has for this user.
	free() (space, error)
	// directUnit returns what every offset and size of a file opened with O_DIRECT is
	// a multiple of, a power of two. It returns errNoDirect if the file system does
	// not write past the page cache.
	directUnit() (int, error)
	// canAllocate returns errNoAllocate if the file system cannot allocate space for
	// a file beforehand.
	canAllocate() error
	// readBack opens a file for reading it back.
	readBack(name string) (*verify.File, error)
	// close lets go of the folder.
	close() error
}

var (
	errNoDirect   = errors.New("direct: this file system does not write past the page cache (O_DIRECT)")
	errNoAllocate = errors.New("preallocate: this file system cannot allocate space for a file beforehand (fallocate)")
)

// openMode is how files are opened.
type openMode struct {
	direct   bool // O_DIRECT
	dsync    bool // O_DSYNC
	appended bool // O_APPEND
}

// file is one open file.
type file interface {
	// write passes data to the kernel once, for that place in the file, and returns
	// how many bytes it took, which may be fewer than given. Unless err is nil, n is
	// 0. A file opened with O_APPEND takes it at its end, wherever that is.
	write(data []byte, offset uint64) (n int, err error)
	// size returns how long the file is.
	size() (uint64, error)
	// allocate reserves the space for that many bytes. It makes the file that long,
	// too, unless it is appended to.
	allocate(size uint64) error
	// truncate cuts the file off behind that many bytes.
	truncate(size uint64) error
	// setDirect sets or clears O_DIRECT.
	setDirect(on bool) error
	// datasync forces what was written to storage, and what is needed to read it.
	datasync() error
	// sync forces what was written to storage, and all that is known of the file.
	sync() error
	// close closes the file, once, whatever it returns.
	close() error
}
