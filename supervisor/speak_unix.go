package supervisor

import (
	"context"
	"errors"
	"net"
	"time"

	"bulkhead/supervisor/door"
)

// Why a connection is rejected that never spoke; the words are those of a handler.
var (
	// errMadeRoom is no rejection: it is shed.
	errMadeRoom = errors.New("too many connections have not said Hello, and this one has said nothing for the longest time")
)

// awaitSpeech is awaitSpeech for the link's client, until it must hurry or make room.
func (l *link) awaitSpeech(ctx context.Context, conn *net.TCPConn, t *door.Ticket, patience time.Duration) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	t.Mute(func() { cancel(errMadeRoom) })
	defer t.Unmuted()
	stop := context.AfterFunc(l.hurried, func() { cancel(errUpgrading) })
	defer stop()
	return door.AwaitSpeech(ctx, conn, patience)
}
