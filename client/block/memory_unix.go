package block

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// largePage is the size of the machine's large pages (amd64 and most arm64).
const largePage = 2 << 20

// mapMemory returns at least size bytes of zeroed, page-aligned memory outside the Go
// heap. It must be given back with unmapMemory.
//
// It is of large pages where the system has them: few of them are pinned faster than
// many small ones for direct I/O, and take less of the processor's address cache. Linux
// aligns a mapping to them if its size is a multiple of theirs (since 6.7).
func mapMemory(size int) ([]byte, error) {
	size = roundUp(size, largePage)
	memory, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("mapping %d bytes of memory: %w", size, err)
	}
	_ = unix.Madvise(memory, unix.MADV_HUGEPAGE) // without them nothing is lost
	return memory, nil
}

// unmapMemory gives memory back; any later use of it is a fault.
func unmapMemory(memory []byte) error {
	if err := unix.Munmap(memory); err != nil {
		return fmt.Errorf("unmapping %d bytes of memory: %w", len(memory), err)
	}
	return nil
}
