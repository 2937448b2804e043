package child

import (
	"context"
	"errors"
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// dial connects to the child's socket and makes sure that it is the child who
// listens there: the kernel says who called listen(2).
func (c *Child) dial(ctx context.Context) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", c.proc.address)
	if err != nil {
		return nil, err
	}
	pid, err := peer(conn.(*net.UnixConn))
	if err == nil && pid != c.Pid() {
		err = fmt.Errorf("process %d listens on %s; want process %d", pid, c.proc.address, c.Pid())
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// peer returns the process at the other end of a connection.
func peer(conn *net.UnixConn) (int, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred,
			credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err = errors.Join(err, credErr); err != nil {
		return 0, fmt.Errorf("asking who listens on a socket: %w", err)
	}
	return int(cred.Pid), nil
}
