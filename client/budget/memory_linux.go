package budget

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// name is what /proc shows of it.
	name = "bulkhead-budget"
	// size is that of the number, in bytes.
	size = 8
	// sealed is what keeps that size, so that no process's access can fault.
	sealed = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW
)

// create makes the memory, as a file of no file system (memfd_create(2)).
func create() (*Budget, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), name)
	if err = f.Truncate(size); err == nil {
		_, err = unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, sealed|unix.F_SEAL_SEAL)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	b, err := mapped(fd)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	b.file = f
	return b, nil
}

// inherit maps the memory at a descriptor, and closes that.
func inherit(fd int) (*Budget, error) {
	seals, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0)
	if err != nil || seals&sealed != sealed {
		return nil, errors.New("it is not a memory file of a fixed size")
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	if st.Size != size {
		return nil, fmt.Errorf("it has %d bytes, not %d", st.Size, size)
	}
	b, err := mapped(fd)
	if err != nil {
		return nil, err
	}
	return b, unix.Close(fd)
}

func mapped(fd int) (*Budget, error) {
	memory, err := unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	return &Budget{memory: memory, left: (*atomic.Int64)(unsafe.Pointer(&memory[0]))}, nil
}

func (b *Budget) release() error {
	err := unix.Munmap(b.memory)
	if b.file != nil {
		err = errors.Join(err, b.file.Close())
	}
	b.memory, b.left = nil, nil
	return err
}
