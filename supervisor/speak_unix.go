package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Why a connection is rejected that never spoke; the words are those of a handler.
var (
	errSilentClient = errors.New("client connected and fell silent without a byte")
	errMuteClient   = errors.New("client closed the connection without a byte")
	// errMadeRoom is no rejection: it is shed.
	errMadeRoom = errors.New("too many connections have not said Hello, and this one has said nothing for the longest time")
)

// awaitSpeech is awaitSpeech for the link's client, until it must hurry or make room.
func (l *link) awaitSpeech(ctx context.Context, conn *net.TCPConn, t *ticket, patience time.Duration) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	t.mute(func() { cancel(errMadeRoom) })
	defer t.unmuted()
	stop := context.AfterFunc(l.hurried, func() { cancel(errUpgrading) })
	defer stop()
	return awaitSpeech(ctx, conn, patience)
}

// awaitSpeech waits until the client has sent something, no longer than patience or
// until ctx is done. It reads nothing.
func awaitSpeech(ctx context.Context, conn *net.TCPConn, patience time.Duration) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		conn.SetReadDeadline(time.Unix(1, 0))
	})
	queued := 0
	err = raw.Read(func(fd uintptr) bool {
		events := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(events, 0)
		if n == 0 || err != nil {
			return false // EINTR cannot be, without a wait
		}
		queued, _ = unix.IoctlGetInt(int(fd), unix.SIOCINQ)
		return true
	})
	if !stop() {
		<-interrupted // else its deadline could come after the one below
		return context.Cause(ctx)
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errSilentClient
	case err != nil:
		return fmt.Errorf("waiting for the client to speak: %w", err)
	case queued == 0: // what is there is the end
		return errMuteClient
	}
	return conn.SetReadDeadline(time.Time{})
}
