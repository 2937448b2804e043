package blackbox

import (
	"fmt"
	"io"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// View is a parent's look at its child's box. It needs no descriptor, of which a parent of
// thousands would need as many, and sees what was in the box when its child is gone. Its
// methods may be called at the same time.
type View struct {
	mu  sync.Mutex
	mem []byte // guarded by mu; the mapped file; nil after Close
}

// Map makes a view of the box that is open as fd, which the caller may close afterwards. It
// returns ErrNotABox, wrapped, if it is none.
func Map(fd int) (*View, error) {
	room, err := Check(fd)
	if err != nil {
		return nil, err
	}
	mem, err := unix.Mmap(fd, 0, headerBytes+room, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mapping the black box: %w", err)
	}
	return &View{mem: mem}, nil
}

// ReadAt reads the box as a file would be: what the system cannot bring into memory is an error,
// not a signal.
func (v *View) ReadAt(p []byte, off int64) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if off < 0 || off > int64(len(v.mem)) {
		return 0, os.ErrInvalid
	}
	n := min(len(p), len(v.mem)-int(off))
	if n > 0 {
		from := uintptr(unsafe.Pointer(&v.mem[off]))
		local := []unix.Iovec{{Base: &p[0]}}
		local[0].SetLen(n)
		read, err := unix.ProcessVMReadv(os.Getpid(), local, []unix.RemoteIovec{{Base: from, Len: n}}, 0)
		if err != nil {
			return 0, fmt.Errorf("reading a black box: %w", err)
		}
		n = read
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Copy makes a new box, which is open as the file returned, with what is in this one and at most
// room bytes of a frame. It returns os.ErrClosed after Close.
func (v *View) Copy(room int) (*os.File, error) {
	v.mu.Lock()
	size := min(len(v.mem), headerBytes+room)
	v.mu.Unlock()
	if size <= headerBytes {
		return nil, os.ErrClosed
	}
	data := make([]byte, size)
	if _, err := v.ReadAt(data, 0); err != nil {
		return nil, err
	}
	f, err := Create(size - headerBytes)
	if err != nil {
		return nil, err
	}
	if _, err := f.WriteAt(data, 0); err != nil {
		f.Close()
		return nil, fmt.Errorf("copying a black box: %w", err)
	}
	return f, nil
}

// Close ends the view.
func (v *View) Close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.mem != nil {
		_ = unix.Munmap(v.mem) // it fails only for what is not mapped
		v.mem = nil
	}
}
