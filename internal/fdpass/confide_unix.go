package fdpass

import (
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// SecretBytes is the length of a secret. A packet on the line that long is one: no other is.
const SecretBytes = 32

// Confide sends a secret to a child that has not started yet, which finds it on the line with
// Confided. No other process can read it there: who opens /proc/PID/fd gets no socket.
func Confide(line *net.UnixConn, secret string) error {
	if len(secret) != SecretBytes {
		return fmt.Errorf("giving a child its secret: it has %d bytes: %w", len(secret), os.ErrInvalid)
	}
	raw, err := line.SyscallConn()
	if err != nil {
		return fmt.Errorf("giving a child its secret: %w", err)
	}
	var sendErr error
	err = raw.Control(func(fd uintptr) {
		sendErr = unix.Send(int(fd), []byte(secret), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	})
	if err = errors.Join(err, sendErr); err != nil {
		return fmt.Errorf("giving a child its secret: %w", err)
	}
	return nil
}

// Confided takes the secret from the line; "" if the parent gives none. Of several, of a parent that
// was not sure that the first one reached this child, the last counts. Nothing else is taken, and
// nothing waited for.
func Confided(line *net.UnixConn) (secret string) {
	raw, err := line.SyscallConn()
	if err != nil {
		return ""
	}
	_ = raw.Control(func(fd uintptr) { // it fails only for a line that this side has closed
		for {
			var packet [SecretBytes + 1]byte
			n, _, err := unix.Recvfrom(int(fd), packet[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
			if errors.Is(err, unix.EINTR) {
				continue
			}
			if err != nil || n != SecretBytes {
				return // what it is, and whether the parent is gone, Receive finds out
			}
			secret = string(packet[:n])
			if _, _, err := unix.Recvfrom(int(fd), packet[:], unix.MSG_DONTWAIT); err != nil {
				return
			}
		}
	})
	return secret
}
