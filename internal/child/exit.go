package child

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

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
	// Alive says that the process had not ended when its owner gave up on it.
	Alive bool
	// Err is why the process could not be started or waited for.
	Err error
	// LastWords are the last lines on stderr that were not log lines, such as a
	// panic.
	LastWords []string

	Started, Ended     time.Time
	UserCPU, SystemCPU time.Duration
	// MaxResident is the peak resident set in bytes, as wait4(2) gives it.
	MaxResident uint64
}

// exitOf reads an Exit from what os.Process.Wait returned.
func exitOf(state *os.ProcessState, started, ended time.Time, err error) Exit {
	e := Exit{Started: started, Ended: ended, Err: err}
	if state == nil {
		return e
	}
	e.Pid = state.Pid()
	e.Code = state.ExitCode()
	e.UserCPU, e.SystemCPU = state.UserTime(), state.SystemTime()
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		e.Signal = ws.Signal()
	}
	if ru, ok := state.SysUsage().(*syscall.Rusage); ok {
		e.MaxResident = uint64(ru.Maxrss) * 1024 // kilobytes on Linux, getrusage(2)
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
	case e.Forced && e.Signal == syscall.SIGKILL:
		return bulkheadv1.ExitClass_EXIT_CLASS_KILLED
	case e.Signal == 0 && e.Code == 0:
		return bulkheadv1.ExitClass_EXIT_CLASS_CLEAN
	default:
		return bulkheadv1.ExitClass_EXIT_CLASS_CRASH
	}
}

// String says how the child ended, for a person.
func (e Exit) String() string {
	s := e.status()
	if len(e.LastWords) > 0 && e.Class() == bulkheadv1.ExitClass_EXIT_CLASS_CRASH {
		s += ": " + e.LastWords[0]
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
	case bulkheadv1.ExitClass_EXIT_CLASS_KILLED:
		return "did not end in time and was killed"
	}
	if e.Signal != 0 {
		return fmt.Sprintf("killed by signal %d (%s)", int(e.Signal), unix.SignalName(e.Signal))
	}
	return fmt.Sprintf("exit status %d", e.Code)
}

// Proto is the exit of process p in wire form. p.Pid is set from the exit.
func (e Exit) Proto(p *bulkheadv1.Process) *bulkheadv1.ProcessExit {
	if p == nil {
		p = &bulkheadv1.Process{}
	}
	out := &bulkheadv1.ProcessExit{
		Process:          &bulkheadv1.Process{Kind: p.Kind, Index: p.Index, Pid: int32(e.Pid)},
		Class:            e.Class(),
		Signal:           int32(e.Signal),
		Cause:            strings.ToValidUTF8(e.String(), "?"),
		StartedUnixNano:  unixNano(e.Started),
		EndedUnixNano:    unixNano(e.Ended),
		UserCpuNano:      int64(e.UserCPU),
		SystemCpuNano:    int64(e.SystemCPU),
		MaxResidentBytes: e.MaxResident,
	}
	if e.Signal == 0 {
		out.ExitCode = int32(e.Code)
	}
	return out
}

// unixNano is t in nanoseconds since 1970, and 0 for the zero time.
func unixNano(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}
