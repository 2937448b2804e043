package handler

import (
	"bytes"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

// oomScore is how much sooner than others the system ends a handler when it runs out of
// memory (proc(5): oom_score_adj, -1000 to 1000): a handler is one client's, and the
// supervisor everybody's. Raising it needs no privilege.
const oomScore = 500

// offerMemory makes this process the one to go before its supervisor. It goes without os.File,
// which asks the poller about each file: that is four system calls instead of twenty at every start.
func offerMemory() error {
	fd, err := unix.Open("/proc/self/oom_score_adj", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening the score for when memory runs out: %w", err)
	}
	defer unix.Close(fd) // what was written is in force
	var room [16]byte
	n, err := unix.Pread(fd, room[:], 0)
	if err != nil {
		return fmt.Errorf("reading the score for when memory runs out: %w", err)
	}
	if now, err := strconv.Atoi(string(bytes.TrimSpace(room[:n]))); err == nil && now >= oomScore {
		return nil
	}
	if _, err := unix.Pwrite(fd, strconv.AppendInt(nil, oomScore, 10), 0); err != nil {
		return fmt.Errorf("raising the score for when memory runs out: %w", err)
	}
	return nil
}
