package sandbox

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	walls "bulkhead/internal/sandbox"
)

// attempt is something that a handler must not be able to do.
type attempt struct {
	name string
	// try returns nil if it can.
	try func(a targets) error
	// by are the layers of which each alone stops it, for any user; root needs no more.
	by []walls.Layer
	// rare says that it fails on some machines, or for some users, without any layer: then it proves
	// nothing there.
	rare bool
}

// allowed are attempts that the filter of system calls alone does not stop: they make calls that
// every handler makes, only more often than the layer Limits lets it.
var allowed = []string{"have many descriptors", "have more memory than its limit"}

// call makes a system call.
func call(number uintptr, args ...uintptr) error {
	var all [6]uintptr
	copy(all[:], args)
	if _, _, errno := unix.RawSyscall6(number, all[0], all[1], all[2], all[3], all[4], all[5]); errno != 0 {
		return errno
	}
	return nil
}

// made makes an object of System V, and removes it again: IPC_RMID is argument number at of the
// call that does.
func made(control uintptr, at int, number uintptr, args ...uintptr) error {
	var all [3]uintptr
	copy(all[:], args)
	id, _, errno := unix.RawSyscall(number, all[0], all[1], all[2])
	if errno != 0 {
		return errno
	}
	remove := [4]uintptr{id}
	remove[at] = unix.IPC_RMID
	return call(control, remove[:]...)
}

// text returns a C string.
func text(s string) uintptr {
	b, _ := unix.BytePtrFromString(s)
	kept = append(kept, b)
	return uintptr(unsafe.Pointer(b))
}

// kept are what system calls are given pointers to.
var kept []*byte

// room is for what a system call returns.
var room [4096]byte

func at() uintptr { return uintptr(unsafe.Pointer(&room[0])) }

// open opens a file of another process or of the machine.
func open(path string, flags int) error {
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

// of returns a file of a process in /proc.
func of(pid int, name string) string { return "/proc/" + strconv.Itoa(pid) + "/" + name }

// socket connects a new socket.
func socket(domain, kind int, to unix.Sockaddr) error {
	fd, err := unix.Socket(domain, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if to == nil {
		return nil
	}
	return unix.Connect(fd, to)
}

func loopback(port int) unix.Sockaddr {
	return &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}
}

// mapped maps memory and touches it.
func mapped(size, prot, flags uintptr) error {
	addr, _, errno := unix.RawSyscall6(unix.SYS_MMAP, 0, size, prot, flags, ^uintptr(0), 0)
	if errno != 0 {
		return errno
	}
	return call(unix.SYS_MUNMAP, addr, size)
}

// forked reports whether a call that makes a process succeeds: the new one ends at once.
func forked(number uintptr, args ...uintptr) error {
	var all [6]uintptr
	copy(all[:], args)
	pid, _, errno := unix.RawSyscall6(number, all[0], all[1], all[2], all[3], all[4], all[5])
	if errno != 0 {
		return errno
	}
	if pid == 0 {
		unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	}
	return nil
}

// threads makes Go start threads.
func threads(targets) error {
	const many = 24
	var all, done sync.WaitGroup
	all.Add(many)
	for range many {
		done.Go(func() {
			runtime.LockOSThread()
			all.Done()
			all.Wait()
		})
	}
	done.Wait()
	return nil
}

// limit raises a limit, or uses more than it.
func descriptors(targets) error {
	for range 64 {
		if _, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 0); err != nil {
			return err
		}
	}
	return nil
}

// client finds the client's socket: the one that is TCP.
func client() (int, error) {
	for fd := range 64 {
		if sa, err := unix.Getsockname(fd); err == nil {
			if _, is := sa.(*unix.SockaddrInet4); is {
				return fd, nil
			}
		}
	}
	return -1, errors.New("no client's socket")
}

// withClient does something with the client's socket.
func withClient(do func(fd int, a targets) error) func(targets) error {
	return func(a targets) error {
		fd, err := client()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(exitBroken)
		}
		return do(fd, a)
	}
}
