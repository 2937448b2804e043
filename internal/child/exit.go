package child

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"bulkhead/internal/boottime"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Exit is how a child ended.
type Exit struct {
	// Pid is 0 if the process never started.
	Pid int
	// Code is the exit status; -1 if a signal ended the process.
	Code int
	// Signal is what ended the process; 0 if it exited by itself.
	Signal syscall.Signal
	// Forced says that this package sent the SIGKILL.
	Forced bool
	// KernelOOM says that the system's out-of-memory killer was at work while the
	// process lived, or since Child.Outlived was called last, and nobody else is known to
	// have killed it. That is no proof: the system counts its victims, and does not name
	// them.
	KernelOOM bool
	// Unknown says that the process ended, and nobody told how: another process was
	// its parent. Code and Signal mean nothing then.
	Unknown bool
	// Alive says that the process had not ended when its owner gave up on it.
	Alive bool
	// Err is why the process could not be started or waited for.
	Err error
	// LastWords are the last lines on stderr that were not log lines, such as a
	// panic.
	LastWords []string

	Started, Ended     time.Time
	UserCPU, SystemCPU time.Duration
	// MaxResident is the peak resident set of the process itself in bytes; 0 if nobody knows.
	// One that ended by itself with less memory than its parent had when it started is not
	// known; one that was asked to end is known as it was then.
	MaxResident uint64
	// ReadBlocks and WrittenBlocks are blocks of 512 bytes read from and written to
	// storage, MajorFaults page faults that needed storage; see getrusage(2).
	ReadBlocks, WrittenBlocks, MajorFaults uint64

	limit  uint64 // of its data, in bytes; 0 is none
	data   uint64 // that it had when it said that it ends of a fault, in bytes; 0 if nobody knows
	reason reason // why this package killed it; means something if Forced
}

// exitWith returns an Exit from what wait4(2) says of a process.
func exitWith(pid int, status syscall.WaitStatus, usage *syscall.Rusage) Exit {
	e := Exit{Pid: pid}
	e.set(status)
	if usage != nil {
		e.UserCPU, e.SystemCPU = time.Duration(usage.Utime.Nano()), time.Duration(usage.Stime.Nano())
		e.MaxResident = uint64(usage.Maxrss) * 1024 // kilobytes on Linux, getrusage(2)
		e.ReadBlocks, e.WrittenBlocks = uint64(usage.Inblock), uint64(usage.Oublock)
		e.MajorFaults = uint64(usage.Majflt)
	}
	return e
}

// Class sorts the exit.
func (e Exit) Class() bulkheadv1.ExitClass {
	switch {
	case e.Pid == 0:
		return bulkheadv1.ExitClass_EXIT_CLASS_NOT_STARTED
	case e.Alive:
		return bulkheadv1.ExitClass_EXIT_CLASS_NEVER
	case e.Forced && (e.Signal == syscall.SIGKILL || e.Unknown):
		return e.reason.class
	case e.Unknown:
		return bulkheadv1.ExitClass_EXIT_CLASS_ORPHANED
	case e.Signal == 0 && e.Code == 0:
		return bulkheadv1.ExitClass_EXIT_CLASS_CLEAN
	case e.KernelOOM, isOutOfMemory(e.firstWord()), e.limit > 0 && strings.HasPrefix(e.firstWord(), noThread),
		isUnchecked(e.LastWords) && (e.atItsLimit() || e.limit > 0 && e.data == 0 && isInQueue(e.LastWords)):
		return bulkheadv1.ExitClass_EXIT_CLASS_OOM
	case e.Signal == syscall.SIGSYS, strings.HasPrefix(e.firstWord(), "SIGSYS: "):
		return bulkheadv1.ExitClass_EXIT_CLASS_SANDBOX
	default:
		return bulkheadv1.ExitClass_EXIT_CLASS_CRASH
	}
}

// firstWord returns the first of the last words.
func (e Exit) firstWord() string {
	if len(e.LastWords) == 0 {
		return ""
	}
	return e.LastWords[0]
}

// isOutOfMemory recognizes what Go's runtime says when it gets no memory.
func isOutOfMemory(word string) bool {
	return strings.HasPrefix(word, fatal) &&
		(strings.Contains(word, "out of memory") || strings.Contains(word, "cannot allocate memory"))
}

// isUnchecked recognizes Go's runtime at a fault on a stack of its own near address 0. Its garbage
// collector does not check whether it got memory for a queue (runtime.newSpanSPMC, Go 1.26), and
// writes there. A nil pointer of the program itself is a panic.
func isUnchecked(words []string) bool {
	if len(words) < 3 || words[0] != fault || !strings.HasPrefix(words[2], "goroutine 0 ") {
		return false
	}
	const mapError = " sigcode=1 addr=0x" // SEGV_MAPERR: no kill(2), which has 0 or less
	const lowest = 1 << 20                // nothing is mapped below
	_, address, found := strings.Cut(words[1], mapError)
	at, err := strconv.ParseUint(address, 16, 64)
	return found && err == nil && at < lowest
}

// isInQueue recognizes that fault in the queue itself, by the function that stands first: a program that
// got memory which it never touched has a small peak, so where nobody saw how much it had at its end, this
// is what tells.
func isInQueue(words []string) bool {
	return len(words) > 3 && (strings.HasPrefix(words[3], "runtime.(*spanQueue).") ||
		strings.HasPrefix(words[3], "runtime.(*spanSPMC)."))
}

const (
	// dataStep is the most by which a program may be below its limit when it gets no more: the
	// step by which Go's heap grows, and a queue of its collector.
	dataStep = 8 << 20
	// untouched is the most that a program of Go has and never touches.
	untouched = 64 << 20
)

// atItsLimit reports whether the process may have had all the memory that it was allowed: by what
// it had at its end, or else by its peak, as far as they are known.
func (e Exit) atItsLimit() bool {
	switch {
	case e.limit == 0:
		return false
	case e.data > 0:
		return e.data+dataStep >= e.limit
	default:
		return e.MaxResident == 0 || e.MaxResident+untouched >= e.limit/2
	}
}

// String returns how the child ended, for a person.
func (e Exit) String() string {
	s := e.status()
	if e.firstWord() == "" {
		return s
	}
	switch e.Class() {
	case bulkheadv1.ExitClass_EXIT_CLASS_CRASH, bulkheadv1.ExitClass_EXIT_CLASS_OOM,
		bulkheadv1.ExitClass_EXIT_CLASS_SANDBOX:
		s += ": " + e.firstWord()
	}
	return s
}

func (e Exit) status() string {
	switch e.Class() {
	case bulkheadv1.ExitClass_EXIT_CLASS_NOT_STARTED:
		if e.Err != nil {
			return fmt.Sprintf("never started: %v", e.Err)
		}
		return "never started"
	case bulkheadv1.ExitClass_EXIT_CLASS_NEVER:
		return "did not end, not even by SIGKILL"
	case bulkheadv1.ExitClass_EXIT_CLASS_ORPHANED:
		return "ended; how is not known: it was not this process's child"
	case bulkheadv1.ExitClass_EXIT_CLASS_OOM:
		if e.KernelOOM {
			return "ran out of memory: probably killed by the system's out-of-memory killer"
		}
		return "ran out of memory: " + e.bare()
	case bulkheadv1.ExitClass_EXIT_CLASS_SANDBOX:
		return "did what its sandbox forbids: " + e.bare()
	}
	if e.Forced && (e.Signal == syscall.SIGKILL || e.Unknown) {
		return e.reason.String()
	}
	return e.bare()
}

// bare returns the exit as the system gives it.
func (e Exit) bare() string {
	if e.Signal != 0 {
		return fmt.Sprintf("killed by signal %d (%s)", int(e.Signal), unix.SignalName(e.Signal))
	}
	return fmt.Sprintf("exit status %d", e.Code)
}

// String returns the reason for a kill, for a person.
func (r reason) String() string {
	switch {
	case r.why == "":
		return "did not end in time and was killed"
	case r.class == bulkheadv1.ExitClass_EXIT_CLASS_HANG:
		return "hung: " + r.why + "; killed"
	case r.class == bulkheadv1.ExitClass_EXIT_CLASS_PROTOCOL:
		return "broke the protocol: " + r.why + "; killed"
	default:
		return r.why + "; killed"
	}
}

// Proto returns the exit of process p in wire form. p.Pid is set from the exit.
func (e Exit) Proto(p *bulkheadv1.Process) *bulkheadv1.ProcessExit {
	if p == nil {
		p = &bulkheadv1.Process{}
	}
	out := &bulkheadv1.ProcessExit{
		Process:         &bulkheadv1.Process{Kind: p.Kind, Index: p.Index, Pid: int32(e.Pid)},
		Class:           e.Class(),
		Signal:          int32(e.Signal),
		Cause:           strings.ToValidUTF8(e.String(), "?"),
		StartedUnixNano: unixNano(e.Started),
		EndedUnixNano:   unixNano(e.Ended),

		StartedElapsedNano: boottime.At(e.Started),
		EndedElapsedNano:   boottime.At(e.Ended),
		UserCpuNano:        int64(e.UserCPU),
		SystemCpuNano:      int64(e.SystemCPU),
		MaxResidentBytes:   e.MaxResident,
		ReadBlocks:         e.ReadBlocks,
		WrittenBlocks:      e.WrittenBlocks,
		MajorFaults:        e.MajorFaults,
	}
	if e.Signal == 0 && !e.Unknown {
		out.ExitCode = int32(e.Code)
	}
	return out
}

// unixNano returns t in nanoseconds since 1970, and 0 for the zero time.
func unixNano(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// ending tells one who wants to know that a child has ended.
type ending struct {
	mu      sync.Mutex
	isOver  bool   // guarded by mu
	waiting func() // guarded by mu; nil if nobody wants to know
}

// tell has f called once it is over, or at once; nil calls nothing.
func (e *ending) tell(f func()) {
	e.mu.Lock()
	e.waiting = f
	e.mu.Unlock()
	e.call(false)
}

// over says that it is over.
func (e *ending) over() { e.call(true) }

func (e *ending) call(over bool) {
	e.mu.Lock()
	e.isOver = e.isOver || over
	var f func()
	if e.isOver {
		f, e.waiting = e.waiting, nil
	}
	e.mu.Unlock()
	if f != nil {
		f()
	}
}
