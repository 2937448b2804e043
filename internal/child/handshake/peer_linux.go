package handshake

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// Peer returns which process, of which user, is at the other end of a unix socket (SO_PEERCRED,
// unix(7)): the one that has connected, that has called listen(2), or that has made a pair, as it was
// then.
func Peer(socket syscall.Conn) (unix.Ucred, error) {
	raw, err := socket.SyscallConn()
	if err != nil {
		return unix.Ucred{}, fmt.Errorf("asking who is at the other end of a socket: %w", err)
	}
	var cred *unix.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err = errors.Join(err, credErr); err != nil {
		return unix.Ucred{}, fmt.Errorf("asking who is at the other end of a socket: %w", err)
	}
	return *cred, nil
}
