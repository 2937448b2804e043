package block

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// mapMemory returns size bytes of zeroed, page-aligned memory outside the Go
// heap. It must be given back with unmapMemory.
func mapMemory(size int) ([]byte, error) {
	memory, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("mapping %d bytes of memory: %w", size, err)
	}
	// Few large pages are pinned faster than many small ones for direct I/O, and take
	// less of the processor's address cache. Without them nothing is lost.
	_ = unix.Madvise(memory, unix.MADV_HUGEPAGE)
	return memory, nil
}

// unmapMemory gives memory back; any later use of it is a fault.
func unmapMemory(memory []byte) error {
	if err := unix.Munmap(memory); err != nil {
		return fmt.Errorf("unmapping %d bytes of memory: %w", len(memory), err)
	}
	return nil
}
