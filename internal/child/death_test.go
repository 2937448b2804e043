package child_test

import (
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// die ends this process by a signal with its default action, which Go's runtime has
// replaced.
func die(sig syscall.Signal) {
	var deflt [64]byte // a struct sigaction of zeros is SIG_DFL
	_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&deflt)), 0, 8, 0, 0)
	_ = unix.Kill(os.Getpid(), sig)
}

// hoard takes and touches memory until there is none.
func hoard() {
	var all [][]byte
	for {
		block := make([]byte, 1<<20)
		for i := 0; i < len(block); i += 4096 {
			block[i] = 1
		}
		all = append(all, block)
		runtime.KeepAlive(all)
	}
}
