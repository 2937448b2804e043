package harness

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// LimitFiles lets a process open nothing more, whatever it closes (RLIMIT_NOFILE),
// until restore is called. What it has open stays.
func LimitFiles(pid int) (restore func() error, err error) {
	return limit(pid, unix.RLIMIT_NOFILE, 0)
}

// LimitMemory lets a process have only so many bytes of writable private memory
// beyond what it has (RLIMIT_DATA) until restore is called. A Go program that needs
// more ends with "out of memory".
func LimitMemory(pid int, more uint64) (restore func() error, err error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return nil, fmt.Errorf("limiting the memory of process %d: %w", pid, err)
	}
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmData:" {
			kb, err := strconv.ParseUint(f[1], 10, 64)
			if err != nil {
				return nil, fmt.Errorf("limiting the memory of process %d: %w", pid, err)
			}
			return limit(pid, unix.RLIMIT_DATA, kb<<10+more)
		}
	}
	return nil, fmt.Errorf("limiting the memory of process %d: the system does not say what it has", pid)
}

// limit sets a soft limit of a process; the hard one stays.
func limit(pid, resource int, soft uint64) (restore func() error, err error) {
	var before unix.Rlimit
	if err := unix.Prlimit(pid, resource, nil, &before); err != nil {
		return nil, fmt.Errorf("reading a limit of process %d: %w", pid, err)
	}
	set := func(l unix.Rlimit) error {
		if err := unix.Prlimit(pid, resource, &l, nil); err != nil {
			return fmt.Errorf("limiting process %d: %w", pid, err)
		}
		return nil
	}
	if err := set(unix.Rlimit{Cur: min(soft, before.Max), Max: before.Max}); err != nil {
		return nil, err
	}
	return func() error { return set(before) }, nil
}
