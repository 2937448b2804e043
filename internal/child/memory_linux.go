package child

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"bulkhead/internal/cgroup"
	"bulkhead/internal/procfile"
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

// peakResident returns the peak resident set of a process in bytes (proc(5): VmHWM); 0 if it is
// gone. 0 is the process itself.
func peakResident(pid int) uint64 {
	name := "self"
	if pid != 0 {
		name = strconv.Itoa(pid)
	}
	return statusBytes(name, "VmHWM")
}

// statusBytes returns a line of the status of a process in bytes (proc(5)); 0 if it is gone.
func statusBytes(name, line string) uint64 {
	data, err := procfile.Read("/proc/" + name + "/status")
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(data, []byte("\n"+line+":"))
	number, _, _ := bytes.Cut(bytes.TrimLeft(rest, " \t"), []byte(" kB"))
	kilobytes, err := strconv.ParseUint(string(number), 10, 64)
	if err != nil {
		return 0
	}
	return kilobytes << 10
}

// dataLimit returns how much data a process may have, in bytes (RLIMIT_DATA); false for one that is
// gone or has no limit.
func dataLimit(name string) (uint64, bool) {
	data, err := procfile.Read("/proc/" + name + "/limits")
	if err != nil {
		return 0, false
	}
	_, rest, _ := bytes.Cut(data, []byte("\nMax data size"))
	fields := bytes.Fields(rest)
	if len(fields) == 0 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(fields[0]), 10, 64)
	return n, err == nil
}

// examine takes note of the process's memory as it ends of a fault: it explains that for a while.
// Somebody else may have lowered its limit. Await alone calls it.
func (p *process) examine() {
	running := p.running.Load()
	if running == nil {
		return
	}
	_ = running.use(func(pid int) error { // or it has ended
		name := strconv.Itoa(pid)
		if limit, ok := dataLimit(name); ok {
			p.limit = limit
		}
		p.data = statusBytes(name, "VmData")
		return nil
	})
}

// look takes note of the peak of the process's memory, just before it is asked to end.
func (p *process) look() {
	running := p.running.Load()
	if running == nil {
		return
	}
	_ = running.use(func(pid int) error { // or it has ended
		p.peak.Store(max(p.peak.Load(), peakResident(pid)))
		return nil
	})
}

// countersApart is how far two sums of these counters are taken to differ, in bytes: for each of three
// kinds of memory, a processor may keep 32 pages and more to itself (percpu_counter_batch in Linux).
const countersApart = 1 << 20

// ownPeak returns the peak of the process's own memory; 0 if nobody knows. total is that of
// wait4(2), in which the kernel counts what was there before execve(2): the memory of this
// process, which the child shared until then (exec_mmap and setmax_mm_hiwater_rss in Linux).
// What is more than that is the child's own. It comes from counters that each processor keeps for
// itself, and may be less or more than what /proc said, which adds them up (mm_counter in Linux).
func (p *process) ownPeak(total uint64) uint64 {
	if total > p.before+countersApart {
		return max(total, p.peak.Load())
	}
	return p.peak.Load()
}

// oomKills returns how many processes that could be children of this one the system has killed for
// want of memory since something began to count; 0 where it does not say.
func oomKills() uint64 { return killsIn(killCounter()) }

// killCounter is where the system counts them.
var killCounter = sync.OnceValue(func() string { return killCounterBelow("/") })

// killCounterBelow returns the file that counts the processes of the control group of this process, in
// which its children are, too, as far as /proc and the mounts below root say: other groups have limits of
// their own, and what is killed for these was none of ours. Where groups do not count, the file is
// that of the whole system. A group of version 1 counts in memory.oom_control, one of version 2 in
// memory.events.local, and its root not at all (cgroups(7), Documentation/admin-guide/cgroup-v2.rst).
func killCounterBelow(root string) string {
	if groups := cgroup.OfRoot(root, "memory"); len(groups) > 0 {
		for _, name := range []string{"memory.events.local", "memory.events", "memory.oom_control"} {
			path := filepath.Join(groups[0].Folder, name)
			if data, err := procfile.Read(path); err == nil && bytes.Contains(data, []byte("\noom_kill ")) {
				return path
			}
		}
	}
	return filepath.Join(root, "proc/vmstat")
}

// killsIn returns what a file has in its line "oom_kill"; 0 if there is none.
func killsIn(path string) uint64 {
	data, err := procfile.Read(path)
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
