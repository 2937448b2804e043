package monitor

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"bulkhead/internal/boottime"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// tick is the unit of times in /proc/PID/stat (USER_HZ, 100 on every Linux).
const tick = 10 * time.Millisecond

// nobody is a start time that no process has.
const nobody = math.MaxUint64

// target is one process to sample, from one goroutine.
type target struct {
	folder  string
	proc    procfs.FS // at folder
	process *bulkheadv1.Process
	// started is when the process began, in ticks since boot; it tells it from
	// another that has come by its pid. 0 until the first sample, nobody if
	// there was no process then.
	started uint64
}

// newTargets returns a target for each process, which need not be there. It
// returns an error when folder is no proc file system.
func newTargets(folder string, processes []*bulkheadv1.Process) ([]*target, error) {
	proc, err := procfs.NewFS(folder)
	if err != nil {
		return nil, fmt.Errorf("opening the proc file system: %w", err)
	}
	list := make([]*target, len(processes))
	for i, p := range processes {
		list[i] = &target{folder: folder, proc: proc, process: p}
	}
	return list, nil
}

// message samples the process and returns what came of it.
func (t *target) message() *bulkheadv1.Message {
	message := &bulkheadv1.Message{Process: t.process}
	if sample, err := t.sample(); err != nil {
		message.Fact = &bulkheadv1.Message_MonitorError{MonitorError: &bulkheadv1.MonitorError{Reason: err.Error()}}
	} else {
		message.Fact = &bulkheadv1.Message_Monitor{Monitor: sample}
	}
	now := time.Now()
	message.TimeUnixNano, message.ElapsedNano = now.UnixNano(), boottime.At(now)
	return message
}

// sample reads what /proc says of the process. Its stat is read before and after
// the rest: what was read between two equal start times is of one process.
func (t *target) sample() (*bulkheadv1.Monitor, error) {
	pid := int(t.process.GetPid())
	if pid <= 0 {
		return nil, errors.New("the process was never started")
	}
	process, err := t.proc.Proc(pid)
	if err != nil {
		return nil, t.explain("", err)
	}
	if err := t.recognise(process); err != nil {
		return nil, err
	}
	io, err := process.IO()
	if err != nil {
		return nil, t.explain("io", err)
	}
	fds, err := process.FileDescriptorsLen()
	if err != nil {
		return nil, t.explain("fd", err)
	}
	stat, err := process.Stat()
	if err != nil {
		return nil, t.explain("stat", err)
	}
	if err := t.check(stat); err != nil {
		return nil, err
	}
	sinceBoot, err := uptime()
	if err != nil {
		return nil, err
	}
	return &bulkheadv1.Monitor{
		UserCpuNano:   int64(stat.UTime) * int64(tick),
		SystemCpuNano: int64(stat.STime) * int64(tick),
		ResidentBytes: uint64(max(stat.ResidentMemory(), 0)),
		Threads:       clamp(stat.NumThreads),
		Fds:           clamp(fds),
		WrittenBytes:  io.WChar,
		StorageBytes:  io.WriteBytes,
		ElapsedNano:   max(int64(sinceBoot)-int64(stat.Starttime)*int64(tick), 0),
	}, nil
}

// recognise remembers the process at the first sample, and later checks that the
// pid is still its.
func (t *target) recognise(process procfs.Proc) error {
	stat, err := process.Stat()
	if err != nil {
		return t.explain("stat", err)
	}
	if t.started == 0 {
		t.started = stat.Starttime
	}
	return t.check(stat)
}

// check returns an error unless stat is of the process remembered, and alive.
func (t *target) check(stat procfs.ProcStat) error {
	pid := t.process.GetPid()
	if stat.Starttime != t.started {
		return fmt.Errorf("process %d is gone, and another has its pid now (pid reused)", pid)
	}
	if stat.State == "Z" || stat.State == "X" {
		return fmt.Errorf("process %d has ended, and its parent has not waited for it yet", pid)
	}
	return nil
}

// explain returns in words why a file of the process could not be read; the empty
// name is its folder.
func (t *target) explain(name string, err error) error {
	pid := t.process.GetPid()
	path := filepath.Join(t.folder, strconv.Itoa(int(pid)), name)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ESRCH):
		if t.started == 0 {
			t.started = nobody
		}
		return fmt.Errorf("process %d is gone", pid)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("permission denied reading %s", path)
	default:
		return fmt.Errorf("reading %s: %w", path, err)
	}
}

// uptime returns the time since boot, suspensions included, as /proc counts it.
func uptime() (time.Duration, error) {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return 0, fmt.Errorf("reading the time since boot: %w", err)
	}
	return time.Duration(now.Nano()), nil
}
