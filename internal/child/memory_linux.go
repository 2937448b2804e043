package child

import (
	"bytes"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// limitMemory bounds the data of a process; 0 is no limit.
func limitMemory(pid int, most uint64) error {
	if most == 0 {
		return nil
	}
	if err := unix.Prlimit(pid, unix.RLIMIT_DATA, &unix.Rlimit{Cur: most, Max: most}, nil); err != nil {
		return fmt.Errorf("limiting the memory of process %d to %d bytes: %w", pid, most, err)
	}
	return nil
}

// peakResident is the peak resident set of a process in bytes (proc(5): VmHWM); 0 if it is
// gone. 0 is the process itself.
func peakResident(pid int) uint64 {
	name := "self"
	if pid != 0 {
		name = strconv.Itoa(pid)
	}
	data, err := os.ReadFile("/proc/" + name + "/status")
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(data, []byte("\nVmHWM:"))
	number, _, _ := bytes.Cut(bytes.TrimLeft(rest, " \t"), []byte(" kB"))
	kilobytes, err := strconv.ParseUint(string(number), 10, 64)
	if err != nil {
		return 0
	}
	return kilobytes << 10
}

// look takes note of the peak of the process's memory, just before it is asked to end.
func (p *process) look() {
	select {
	case <-p.exited: // the id may be another's
	default:
		if pid := int(p.pid.Load()); pid != 0 {
			p.peak.Store(max(p.peak.Load(), peakResident(pid)))
		}
	}
}

// ownPeak is the peak of the process's own memory; 0 if nobody knows. total is that of
// wait4(2), in which the kernel counts what was there before execve(2): the memory of this
// process, which the child shared until then (exec_mmap and setmax_mm_hiwater_rss in Linux).
// What is more than that is the child's own.
func (p *process) ownPeak(total uint64) uint64 {
	if total > p.before {
		return total
	}
	return p.peak.Load()
}

// oomKills is how many processes the system has killed for want of memory since its
// boot; 0 where it does not say.
func oomKills() uint64 {
	data, err := os.ReadFile("/proc/vmstat")
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(data, []byte("\noom_kill "))
	number, _, _ := bytes.Cut(rest, []byte("\n"))
	n, err := strconv.ParseUint(string(number), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
