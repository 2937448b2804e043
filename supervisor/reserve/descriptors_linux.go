package reserve

import (
	"fmt"
	"net"

	"bulkhead/internal/exitstatus"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"

	"golang.org/x/sys/unix"
)

// descriptorReserve returns how many of limit descriptors are kept from connections and
// from handlers, each, so that the journal, the report and the control socket never
// miss one. The last descriptors are only for them; the ones before also for handlers.
//
// This is the spare descriptor that libev's manual advises ("The special problem of
// accept()ing when you can't"), in the plural: a connection is accepted and refused
// while there still are descriptors, so accept(2) does not meet EMFILE.
func descriptorReserve(limit uint64) uint64 { return min(64, limit/4) }

const (
	// ownDescriptors is how many descriptors a supervisor has open that serves nobody,
	// and opens for a moment to start handlers; handlerDescriptors is how many it has
	// for each handler: two sockets and a pipe. One that was adopted from a supervisor that was
	// killed has a socket and a pidfd.
	ownDescriptors     = 28
	handlerDescriptors = 3
	// startDescriptors is how many more a handler takes until it has started: both ends of its
	// stdout, its own ends of the line and of stderr, its black box, and a pidfd of Go's.
	startDescriptors = 6
)

// roomFor returns how many clients find descriptors within a limit, besides the reserves.
func roomFor(limit uint64) uint64 {
	free := limit - 2*descriptorReserve(limit)
	return (max(free, ownDescriptors) - ownDescriptors) / handlerDescriptors
}

// limitFor returns the least limit with room for clients.
func limitFor(clients uint64) uint64 {
	used := ownDescriptors + handlerDescriptors*clients
	return min(2*used, used+2*descriptorReserve(1<<20))
}

// errFewDescriptors says that the descriptors left are for the journal.
var errFewDescriptors = fmt.Errorf("too few file descriptors are left (RLIMIT_NOFILE); raise the limit: %w", ErrNoRoom)

// DescriptorLimit returns the current RLIMIT_NOFILE: an operator may change it at any time.
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
	if raw.Control(func(fd uintptr) { crowded = uint64(fd)+2*descriptorReserve(limit) >= limit }) != nil {
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
	if limit := DescriptorLimit(); uint64(fd)+handlerDescriptors+startDescriptors+descriptorReserve(limit) >= limit {
		return errFewDescriptors
	}
	return nil
}

// CheckDescriptors returns an error when a limit has no room for the clients that are expected,
// with their handlers and those of the pool. Go's runtime has raised the soft limit to the hard one.
func CheckDescriptors(limit uint64, clients, pool int) error {
	room, want := roomFor(limit), limitFor(uint64(clients+pool))
	switch {
	case room < 1:
		return fmt.Errorf("%w: the limit of open files is %d, which leaves none for clients; raise it to %d (ulimit "+
			"-Hn, LimitNOFILE=)", exitstatus.ErrConfig, limit, want)
	case room < uint64(clients):
		return fmt.Errorf("%w: %d clients need %d open files, and the limit is %d, which has room for %d; raise it "+
			"(ulimit -Hn, LimitNOFILE=), or expect fewer clients", exitstatus.ErrConfig, clients, want, limit,
			room)
	}
	return nil
}

// DescriptorStatus returns what status shows of the descriptors of this process.
func DescriptorStatus() *bulkheadv1.Reserve {
	limit := DescriptorLimit()
	out := &bulkheadv1.Reserve{
		Kind: bulkheadv1.ReserveKind_RESERVE_KIND_DESCRIPTORS, LimitedBy: "RLIMIT_NOFILE",
		Limit: limit, Reserve: 2 * descriptorReserve(limit),
	}
	if fd, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0); err == nil {
		unix.Close(fd)
		out.Left = limit - min(uint64(fd), limit)
	}
	out.Reached = out.Left <= out.Reserve
	return out
}
