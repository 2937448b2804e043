package reserve

import (
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// DescriptorReserve is how many of limit descriptors are kept from connections and
// from handlers, each, so that the journal, the report and the control socket never
// miss one. The last descriptors are only for them; the ones before also for handlers.
//
// This is the spare descriptor that libev's manual advises ("The special problem of
// accept()ing when you can't"), in the plural: a connection is accepted and refused
// while there still are descriptors, so accept(2) does not meet EMFILE.
func DescriptorReserve(limit uint64) uint64 { return min(64, limit/4) }

const (
	// ownDescriptors is how many descriptors a supervisor has open that serves nobody,
	// and opens for a moment to start a handler; handlerDescriptors is how many it has
	// for each handler: two sockets, two pipes, two pidfds and the black box.
	ownDescriptors     = 24
	handlerDescriptors = 7
)

// RoomFor is how many clients find descriptors within a limit, besides the reserves.
func RoomFor(limit uint64) uint64 {
	free := limit - 2*DescriptorReserve(limit)
	return (max(free, ownDescriptors) - ownDescriptors) / handlerDescriptors
}

// LimitFor is the least limit with room for clients.
func LimitFor(clients uint64) uint64 {
	used := ownDescriptors + handlerDescriptors*clients
	return min(2*used, used+2*DescriptorReserve(1<<20))
}

// errFewDescriptors says that the descriptors left are for the journal.
var errFewDescriptors = fmt.Errorf("too few file descriptors are left (RLIMIT_NOFILE); raise the limit: %w", ErrNoRoom)

// DescriptorLimit is RLIMIT_NOFILE now: an operator may change it at any time.
func DescriptorLimit() uint64 {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return 1 << 20 // cannot happen
	}
	return limit.Cur
}

// CrowdsOut reports whether an accepted connection takes a descriptor from the reserves.
// The kernel gives the lowest free number, so all lower ones are in use (open(2)).
func CrowdsOut(conn *net.TCPConn) bool {
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	limit, crowded := DescriptorLimit(), false
	if raw.Control(func(fd uintptr) { crowded = uint64(fd)+2*DescriptorReserve(limit) >= limit }) != nil {
		return false
	}
	return crowded
}

// RoomForHandler returns an error when a handler's descriptors would come out of
// those kept for the journal.
func RoomForHandler() error {
	fd, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	unix.Close(fd)
	if limit := DescriptorLimit(); uint64(fd)+DescriptorReserve(limit) >= limit {
		return errFewDescriptors
	}
	return nil
}
