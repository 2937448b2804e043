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
	// size is that of a number, in bytes.
	size = 8
	// sealed is what keeps that size, so that no process's access can fault.
	sealed = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW
)

// create makes the memory, as a file of no file system (memfd_create(2)).
func create(n int) (*Shared, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), name)
	if err = f.Truncate(int64(n) * size); err == nil {
		_, err = unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, sealed|unix.F_SEAL_SEAL)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	s, err := mapped(fd, n)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	s.file = f
	return s, nil
}

// inherit maps the memory at a descriptor, and closes that.
func inherit(fd, n int) (*Shared, error) {
	seals, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0)
	if err != nil || seals&sealed != sealed {
		return nil, errors.New("it is not a memory file of a fixed size")
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	if st.Size != int64(n)*size {
		return nil, fmt.Errorf("it has %d bytes, not %d", st.Size, n*size)
	}
	s, err := mapped(fd, n)
	if err != nil {
		return nil, err
	}
	return s, unix.Close(fd)
}

func mapped(fd, n int) (*Shared, error) {
	memory, err := unix.Mmap(fd, 0, n*size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	s := &Shared{memory: memory}
	for i := range n {
		s.budgets = append(s.budgets, Budget{(*atomic.Int64)(unsafe.Pointer(&memory[i*size]))})
	}
	return s, nil
}

func (s *Shared) release() error {
	err := unix.Munmap(s.memory)
	if s.file != nil {
		err = errors.Join(err, s.file.Close())
	}
	s.memory, s.budgets = nil, nil
	return err
}
