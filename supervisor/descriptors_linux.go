package supervisor

import (
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// descriptorReserve is how many of limit descriptors are kept from connections and
// from handlers, each, so that the journal, the report and the control socket never
// miss one. The last descriptors are only for them; the ones before also for handlers.
//
// This is the spare descriptor that libev's manual advises ("The special problem of
// accept()ing when you can't"), in the plural: a connection is accepted and refused
// while there still are descriptors, so accept(2) does not meet EMFILE.
func descriptorReserve(limit uint64) uint64 { return min(64, limit/4) }

const (
	// ownDescriptors is how many descriptors a supervisor has open that serves nobody,
	// and opens for a moment to start a handler; handlerDescriptors is how many it has
	// for each handler: two sockets, two pipes, two pidfds and the black box.
	ownDescriptors     = 24
	handlerDescriptors = 7
)

// roomFor is how many clients find descriptors within a limit, besides the reserves.
func roomFor(limit uint64) uint64 {
	free := limit - 2*descriptorReserve(limit)
	return (max(free, ownDescriptors) - ownDescriptors) / handlerDescriptors
}

// limitFor is the least limit with room for clients.
func limitFor(clients uint64) uint64 {
	used := ownDescriptors + handlerDescriptors*clients
	return min(2*used, used+2*descriptorReserve(1<<20))
}

// checkDescriptors refuses a limit that has no room for the clients that are expected, with
// their handlers. Go's runtime has raised the soft limit to the hard one.
func (c Config) checkDescriptors(limit uint64) error {
	room, want := roomFor(limit), limitFor(uint64(c.Clients+c.Handler.Pool))
	switch {
	case room < 1:
		return fmt.Errorf("%w: the limit of open files is %d, which leaves none for clients; raise it to %d (ulimit -Hn, LimitNOFILE=)", ErrConfig, limit, want)
	case room < uint64(c.Clients):
		return fmt.Errorf("%w: %d clients need %d open files, and the limit is %d, which has room for %d; raise it (ulimit -Hn, LimitNOFILE=), or expect fewer clients", ErrConfig, c.Clients, want, limit, room)
	}
	return nil
}

// errFewDescriptors says that the descriptors left are for the journal.
var errFewDescriptors = fmt.Errorf("too few file descriptors are left (RLIMIT_NOFILE); raise the limit: %w", errNoRoom)

// descriptorLimit is RLIMIT_NOFILE now: an operator may change it at any time.
func descriptorLimit() uint64 {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return 1 << 20 // cannot happen
	}
	return limit.Cur
}

// crowdsOut says whether an accepted connection takes a descriptor from the reserves.
// The kernel gives the lowest free number, so all lower ones are in use (open(2)).
func crowdsOut(conn *net.TCPConn) bool {
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	limit, crowded := descriptorLimit(), false
	if raw.Control(func(fd uintptr) { crowded = uint64(fd)+2*descriptorReserve(limit) >= limit }) != nil {
		return false
	}
	return crowded
}

// roomForHandler returns an error when a handler's descriptors would come out of
// those kept for the journal.
func roomForHandler() error {
	fd, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	unix.Close(fd)
	if limit := descriptorLimit(); uint64(fd)+descriptorReserve(limit) >= limit {
		return errFewDescriptors
	}
	return nil
}

// untouched says whether nothing was read from conn and nothing was written to it,
// by whoever had a descriptor of it: then another may still begin with it. Only
// believe it when nobody else has one any more. The end of what a client sends counts
// as a byte that was read: a client that is gone needs no other handler.
func untouched(conn *net.TCPConn) bool {
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
