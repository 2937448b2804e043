package door

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Why a client that was to speak did not.
var (
	ErrSilentClient = errors.New("client connected and fell silent without a byte")
	ErrMuteClient   = errors.New("client closed the connection without a byte")
)

// AwaitSpeech waits until the client has sent something, no longer than patience or
// until ctx is done. It reads nothing.
func AwaitSpeech(ctx context.Context, conn *net.TCPConn, patience time.Duration) error {
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
		return ErrSilentClient
	case err != nil:
		return fmt.Errorf("waiting for the client to speak: %w", err)
	case queued == 0: // what is there is the end
		return ErrMuteClient
	}
	return conn.SetReadDeadline(time.Time{})
}

// Untouched reports whether nothing was read from conn and nothing was written to it,
// by whoever had a descriptor of it: then another may still begin with it. Only
// believe it when nobody else still has one. The end of what a client sends counts
// as a byte that was read: a client that is gone needs no other handler.
func Untouched(conn *net.TCPConn) bool {
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	clean := false
	err = raw.Control(func(fd uintptr) {
		// In this order: what comes in between is in the queue only.
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			return
		}
		queued, err := unix.IoctlGetInt(int(fd), unix.SIOCINQ)
		clean = err == nil && info.Bytes_sent == 0 && uint64(queued) >= info.Bytes_received
	})
	return err == nil && clean
}
