package consumer

// disk is what the writer needs of a file system. The real one is osDisk; tests
// script errors, short writes and calls that do not return.
type disk interface {
	// create makes a new file and opens it for writing. A file that exists
	// already is an error.
	create(path string) (file, error)
	// remove deletes a file; that it does not exist is no error.
	remove(path string) error
}

// file is one open file.
type file interface {
	// write passes data to the kernel once and returns how many bytes it took,
	// which may be fewer than given. Unless err is nil, n is 0.
	write(data []byte) (n int, err error)
	// sync forces what was written to storage.
	sync() error
	// close closes the file, once, whatever it returns.
	close() error
}
