package harness

import (
	"net"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// ConnectAs connects to the unix socket at path as a process of another user does that reaches it:
// so the kernel tells whoever listens. Only root can do that.
func ConnectAs(uid int, path string) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result, 1)
	go func() { // ends with its thread, which is another user's
		runtime.LockOSThread()
		conn, err := connectAs(uid, path)
		done <- result{conn, err}
	}()
	r := <-done
	return r.conn, r.err
}

// connectAs does what ConnectAs does, and leaves the thread to the user.
func connectAs(uid int, path string) (net.Conn, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close() // the connection has its own
	const same = ^uintptr(0)
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, same, uintptr(uid), same); errno != 0 {
		return nil, os.NewSyscallError("setresuid", errno)
	}
	// For files it stays root, which may enter every folder.
	if _, _, errno := unix.RawSyscall(unix.SYS_SETFSUID, 0, 0, 0); errno != 0 {
		return nil, os.NewSyscallError("setfsuid", errno)
	}
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		return nil, os.NewSyscallError("connect", err)
	}
	return net.FileConn(f)
}
