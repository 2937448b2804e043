package lock

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"bulkhead/internal/sandbox"
)

// program is a program of seccomp(2), and what is filled in as it is used: see package filter.
type program struct {
	code          []instruction
	pids, unknown []int
}

// instruction is struct sock_filter: operation, jumps, operand.
type instruction struct {
	op     uint16
	jt, jf uint8
	k      uint32
}

// filled returns the program for a process.
func (p program) filled(pid int, fatal bool) []instruction {
	code := append([]instruction(nil), p.code...)
	for _, i := range p.pids {
		code[i].k = uint32(pid)
	}
	if fatal {
		for _, i := range p.unknown {
			code[i].k = unix.SECCOMP_RET_KILL_PROCESS
		}
	}
	return code
}

// calls leaves the process the system calls of the filter. It comes last: none of the other
// layers' is among them.
func calls(o sandbox.Order, _ string) error {
	if len(machine.code) == 0 {
		return errors.New("there is no filter for " + runtime.GOARCH)
	}
	code := machine.filled(os.Getpid(), o.Fatal)
	filter := unix.SockFprog{Len: uint16(len(code)), Filter: (*unix.SockFilter)(unsafe.Pointer(&code[0]))}
	other, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC,
		uintptr(unsafe.Pointer(&filter)))
	runtime.KeepAlive(code)
	switch {
	case errno != 0:
		return fmt.Errorf("seccomp(SECCOMP_SET_MODE_FILTER): %w", errno)
	case other != 0:
		return fmt.Errorf("seccomp(SECCOMP_SET_MODE_FILTER): thread %d has a filter of its own", other)
	}
	return nil
}
