package verify

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// mincore reports for each page of mapped memory, in bit 0 of a byte, whether it is in the page
// cache.
func mincore(memory, pages []byte) error {
	_, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(unsafe.SliceData(memory))),
		uintptr(len(memory)), uintptr(unsafe.Pointer(unsafe.SliceData(pages))))
	if errno != 0 {
		return errno
	}
	return nil
}
