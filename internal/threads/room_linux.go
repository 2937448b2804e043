package threads

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"bulkhead/internal/cgroup"
	"bulkhead/internal/procfile"
)

// Bound is one of the system's limits for threads, processes counted as one each.
type Bound struct {
	// Name says which: a file, or RLIMIT_NPROC.
	Name string
	// Most is how many there may be, Used how many there are, or may be while they are few.
	Most, Used uint64
	// Machine says that it bounds all that runs on the machine, and not this process's own part of it.
	Machine bool
}

// Left returns how many more there may be.
func (b Bound) Left() uint64 { return b.Most - min(b.Used, b.Most) }

const (
	// othersPart of a bound of the machine is for those that share it, and othersLeast at the least, on a
	// machine where that is no more than othersMost of it.
	othersPart  = 16
	othersLeast = 1024
	othersMost  = 4
)

// Others returns how many of Most are for whoever shares the bound: who cannot fork can neither log
// in nor look what is the matter, and its services die.
func (b Bound) Others() uint64 {
	if !b.Machine {
		return 0
	}
	return min(max(b.Most/othersPart, othersLeast), b.Most/othersMost)
}

// Free returns how many more there may be of this process and its children.
func (b Bound) Free() uint64 { return b.Left() - min(b.Left(), b.Others()) }

// Room knows the limits that this process is under.
type Room struct {
	pids     []cgroup.Group
	numbered bool // pid_max is that of a PID namespace
}

// NewRoom finds out which limits there are.
func NewRoom() Room { return Room{cgroup.Of("pids"), numbersItsOwn()} }

// Tightest returns the limit that leaves this process least now; one of the kernel's own if nothing
// else bounds the process. It is false where the system says nothing.
func (r Room) Tightest() (Bound, bool) {
	var tightest Bound
	known := false
	take := func(b Bound, ok bool) {
		if ok && (!known || b.Free() < tightest.Free()) {
			tightest, known = b, true
		}
	}
	for _, g := range r.pids {
		most, bounded := g.Number("pids.max")
		used, ok := g.Number("pids.current")
		take(Bound{Name: filepath.Join(g.Folder, "pids.max"), Most: most, Used: used}, bounded && ok)
	}
	all, ok := everywhere()
	if ok {
		most, ok := number("/proc/sys/kernel/threads-max")
		take(Bound{Name: "/proc/sys/kernel/threads-max", Most: most, Used: all, Machine: true}, ok)
		take(r.identifiers(all))
	} else {
		all = math.MaxUint64
	}
	take(processLimit(all))
	return tightest, known
}

// everywhere returns how many threads the machine has (proc(5), /proc/loadavg).
func everywhere() (uint64, bool) {
	data, err := procfile.Read("/proc/loadavg")
	if err != nil {
		return 0, false
	}
	f := strings.Fields(string(data))
	if len(f) < 4 {
		return 0, false
	}
	_, total, _ := strings.Cut(f[3], "/")
	n, err := strconv.ParseUint(total, 10, 64)
	return n, err == nil
}

func number(path string) (uint64, bool) {
	data, err := procfile.Read(path)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(string(bytes.TrimSpace(data)), 10, 64)
	return n, err == nil
}

// processLimit returns RLIMIT_NPROC, where it binds this process: it counts the threads of its real
// user (getrlimit(2)). all is how many threads the machine has.
func processLimit(all uint64) (Bound, bool) {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NPROC, &limit) != nil || limit.Cur == unix.RLIM_INFINITY || unbound() {
		return Bound{}, false
	}
	used, ok := usedOf(limit.Cur, all, func() (uint64, bool) { return threadsOf(strconv.Itoa(os.Getuid())) })
	return Bound{Name: "RLIMIT_NPROC", Most: limit.Cur, Used: used}, ok
}

// identifiers returns the bound of process identifiers, of which each thread has one. all is how many
// threads the machine has.
func (r Room) identifiers(all uint64) (Bound, bool) {
	most, ok := number("/proc/sys/kernel/pid_max")
	b := Bound{Name: "/proc/sys/kernel/pid_max", Most: most, Used: all, Machine: true}
	if ok && r.numbered {
		b.Used, ok = usedOf(most, all, func() (uint64, bool) { return threadsOf("") })
	}
	return b, ok
}

// numbersItsOwn reports whether pid_max is that of this process's PID namespace, and not of the machine:
// each has its own since Linux 6.14. The first one's is as good as the machine's.
func numbersItsOwn() bool {
	const first = "pid:[4026531836]" // PROC_PID_INIT_INO, linux/proc_ns.h
	var uts unix.Utsname
	namespace, err := os.Readlink("/proc/self/ns/pid")
	if err != nil || namespace == first || unix.Uname(&uts) != nil {
		return false
	}
	var major, minor int
	_, err = fmt.Sscanf(unix.ByteSliceToString(uts.Release[:]), "%d.%d", &major, &minor)
	return err == nil && (major > 6 || major == 6 && minor >= 14)
}

// usedOf returns how many threads one user has, or a bound for that. To count them takes a file
// of each process of the machine. While all threads of the machine are less than half of the
// limit, it is far away whoever has them: then they are taken for the user's.
func usedOf(limit, all uint64, count func() (uint64, bool)) (uint64, bool) {
	if all < limit/2 {
		return all, true
	}
	return count()
}

// unbound reports whether RLIMIT_NPROC does not bind this process: it is the system's root,
// or has one of two capabilities. Those of a user namespace are none.
func unbound() bool {
	const resource, admin = 1 << unix.CAP_SYS_RESOURCE, 1 << unix.CAP_SYS_ADMIN
	users, err := procfile.Read("/proc/self/uid_map")
	if f := strings.Fields(string(users)); err == nil && (len(f) < 3 || f[0] != "0" || f[1] != "0") {
		return false
	}
	if os.Getuid() == 0 {
		return true
	}
	data, err := procfile.Read("/proc/self/status")
	if err != nil {
		return false
	}
	effective, err := strconv.ParseUint(line(data, "CapEff:"), 16, 64)
	return err == nil && effective&(resource|admin) != 0
}

// threadsOf counts the threads of a user's processes, or of all if uid is "", as far as they can be
// seen.
func threadsOf(uid string) (n uint64, ok bool) {
	proc, err := os.Open("/proc")
	if err != nil {
		return 0, false
	}
	defer proc.Close() // read only
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return 0, false
	}
	for _, name := range names {
		if name[0] < '0' || name[0] > '9' {
			continue
		}
		data, err := procfile.Read("/proc/" + name + "/status")
		if err != nil {
			continue // gone
		}
		if real, _, _ := strings.Cut(line(data, "Uid:"), "\t"); uid == "" || real == uid {
			n += threadsIn(data)
		}
	}
	return n, true
}

// Of returns how many threads a process has; 0 if it is gone.
func Of(pid int) uint64 {
	data, err := procfile.Read("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	return threadsIn(data)
}

// threadsIn returns the number of threads in a /proc/PID/status.
func threadsIn(status []byte) uint64 {
	n, err := strconv.ParseUint(line(status, "Threads:"), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// line returns what follows a key at the beginning of a line.
func line(data []byte, key string) string {
	_, rest, _ := bytes.Cut(data, []byte("\n"+key))
	value, _, _ := bytes.Cut(rest, []byte("\n"))
	return string(bytes.TrimSpace(value))
}
