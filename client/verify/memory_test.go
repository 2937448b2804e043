package verify

import "unsafe"

// unsafePointer returns an address as a pointer, for mapping memory there.
func unsafePointer(address uintptr) unsafe.Pointer { return unsafe.Add(unsafe.Pointer(nil), address) }

// bytesAt returns mapped memory.
func bytesAt(at unsafe.Pointer, n int) []byte { return unsafe.Slice((*byte)(at), n) }
