// Package procfile reads files of /proc and /sys, which the kernel makes up as they are read. It
// makes the three or four system calls that this takes; os.ReadFile makes nine, most of them in
// vain, to have the runtime wait for what never blocks.
package procfile

import (
	"os"

	"golang.org/x/sys/unix"
)

// usualBytes is as much as most of these files hold.
const usualBytes = 1024

// Read returns what the file at path holds. An error is an *os.PathError.
func Read(path string) ([]byte, error) {
	fd, err := retry(func() (int, error) { return unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0) })
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd) // nothing was written
	data := make([]byte, 0, usualBytes)
	for {
		if len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
		n, err := retry(func() (int, error) { return unix.Read(fd, data[len(data):cap(data)]) })
		if err != nil {
			return nil, &os.PathError{Op: "read", Path: path, Err: err}
		}
		if n == 0 {
			return data, nil
		}
		data = data[:len(data)+n]
	}
}

// retry calls f until no signal interrupts it.
func retry(f func() (int, error)) (int, error) {
	for {
		if n, err := f(); err != unix.EINTR {
			return n, err
		}
	}
}
