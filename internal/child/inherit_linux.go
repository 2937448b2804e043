package child

import (
	"fmt"
	"math"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// sealDescriptors keeps every descriptor of this process but the standard ones from
// programs it starts. Go opens its own so, but what this process itself inherited
// (a shell's redirections, a service manager's sockets) would be passed to every child.
func sealDescriptors() error {
	if unix.CloseRange(uint(unix.Stderr+1), math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) == nil {
		return nil
	}
	// Linux before 5.11 cannot do that in one call.
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return fmt.Errorf("finding the descriptors that a child would inherit: %w", err)
	}
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > unix.Stderr {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}
