package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"bulkhead/supervisor/rundir"
)

// Listen opens the control socket at path, for the supervisor that holds the lock of its state
// directory. Closing the listener leaves the socket.
func Listen(path string) (*net.UnixListener, error) {
	// The lock is ours, so a socket that is there was left by a supervisor that was
	// killed.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("removing an old control socket: %w", err)
	}
	// Linux makes the file with the mode that the socket has when it is bound, so that nobody else can
	// connect at any time.
	private := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var failed error
		err := raw.Control(func(fd uintptr) { failed = unix.Fchmod(int(fd), 0o600) })
		return errors.Join(err, failed)
	}}
	socket, err := private.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, fmt.Errorf("opening the control socket: %w", err)
	}
	l := socket.(*net.UnixListener)
	l.SetUnlinkOnClose(false) // its owner removes it, by its own name
	info, err := os.Lstat(path)
	if err == nil && info.Mode().Perm() != 0o600 {
		err = os.Chmod(path, 0o600)
	}
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("opening the control socket: %w", err)
	}
	return l, nil
}

// SocketPath returns a path for the control socket that a unix socket can have: where
// the state directory's own is too long, it goes through a descriptor of it. The
// caller calls release when the path is no longer needed.
func SocketPath(stateDir string) (path string, release func(), err error) {
	return shortPath(filepath.Join(stateDir, rundir.ControlSocket))
}

// shortPath does that for any socket.
func shortPath(socket string) (path string, release func(), err error) {
	if len(socket) <= rundir.MaxSocketPath {
		return socket, func() {}, nil
	}
	dir, err := os.Open(filepath.Dir(socket))
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(socket)), func() { dir.Close() }, nil
}
