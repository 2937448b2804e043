package child

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"bulkhead/internal/child/handshake"
	"bulkhead/internal/procfile"
)

// ErrGone says that the process of a Record has ended; another may have its number.
var ErrGone = errors.New("the process is gone")

// socketDirPrefix begins the name of each folder that go-plugin makes for a child's
// socket.
const socketDirPrefix = "plugin-dir"

// Record is what another process needs in order to take a child up.
type Record struct {
	Pid int `json:"pid"`
	// StartTicks is when the process started, in clock ticks since the boot, which
	// with Pid and BootID names one process for good.
	StartTicks uint64 `json:"start_ticks"`
	BootID     string `json:"boot_id"`
	// Address is the path of the child's socket, SocketDir the folder made for it.
	Address   string `json:"address"`
	SocketDir string `json:"socket_dir"`
	// Secret is what every call on the child has to show; "" if it was started by a version that
	// had none.
	Secret handshake.Secret `json:"secret,omitempty"`
}

// Record describes a running child. It returns an error if the child has ended.
func (c *Child) Record() (Record, error) {
	select {
	case <-c.proc.exited:
		return Record{}, fmt.Errorf("describing %s (pid %d): %w", c.cfg.Name, c.Pid(), ErrGone)
	default:
		return c.record, nil
	}
}

// describe returns the Record of a child that has just started.
func (c *Child) describe() (Record, error) {
	rec := Record{Pid: c.Pid(), Address: c.proc.address, SocketDir: c.proc.socketDir, Secret: c.secret}
	err := c.proc.running.Load().use(func(pid int) error {
		stat, err := readStat(pid)
		rec.StartTicks = stat.startTicks
		return err
	})
	if err == nil {
		rec.BootID, err = bootID()
	}
	if err != nil {
		return Record{}, fmt.Errorf("describing it: %w", err)
	}
	return rec, nil
}

// check refuses a record that does not describe a child whose sockets are in
// socketDir.
func (r Record) check(socketDir string) error {
	switch {
	case r.Pid <= 1 || r.Pid == os.Getpid() || r.Pid == os.Getppid() || int64(r.Pid) > 1<<30:
		return fmt.Errorf("its record names process %d, which is no child: %w", r.Pid, os.ErrInvalid)
	case filepath.Clean(r.SocketDir) != r.SocketDir || filepath.Dir(r.SocketDir) != filepath.Clean(socketDir) ||
		!strings.HasPrefix(filepath.Base(r.SocketDir), socketDirPrefix):
		return fmt.Errorf("its record names the folder %q, which is none of %s: %w", r.SocketDir, socketDir,
			os.ErrInvalid)
	case filepath.Clean(r.Address) != r.Address || filepath.Dir(r.Address) != r.SocketDir:
		return fmt.Errorf("its record names the socket %q, which is not in %s: %w", r.Address, r.SocketDir,
			os.ErrInvalid)
	}
	return nil
}

// stat is what /proc/PID/stat says of a process.
type stat struct {
	state        byte // 'Z' from its end until it is reaped
	parent       int
	session      int
	majorFaults  uint64
	user, system time.Duration // of the processor's time
	startTicks   uint64
	status       syscall.WaitStatus // of a process that has ended; 0 if we may not know it
}

// clockTick is the unit of times in /proc: sysconf(_SC_CLK_TCK) is 100 on Linux.
const clockTick = 10 * time.Millisecond

func readStat(pid int) (stat, error) {
	data, err := procfile.Read(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, err
	}
	return parseStat(data)
}

// parseStat reads a line of proc_pid_stat(5). The second field, the program's name
// in parentheses, may hold anything.
func parseStat(data []byte) (stat, error) {
	end := bytes.LastIndexByte(data, ')')
	fields := strings.Fields(string(data[end+1:]))
	if end < 0 || len(fields) < 50 || len(fields[0]) != 1 {
		return stat{}, fmt.Errorf("the state of a process has %d fields: %w", len(fields), os.ErrInvalid)
	}
	var bad error
	number := func(field int) uint64 { // numbered as in the manual, from 1
		n, err := strconv.ParseUint(fields[field-3], 10, 64)
		bad = errors.Join(bad, err)
		return n
	}
	s := stat{
		state: fields[0][0], parent: int(number(4)), session: int(number(6)), majorFaults: number(12),
		user: time.Duration(number(14)) * clockTick, system: time.Duration(number(15)) * clockTick,
		startTicks: number(22), status: syscall.WaitStatus(number(52)),
	}
	if bad != nil {
		return stat{}, fmt.Errorf("the state of a process: %w", bad)
	}
	return s, nil
}

// booted is what bootID found, which does not change while a process runs; nil before it could.
var booted atomic.Pointer[string]

// bootID names this boot of the machine.
func bootID() (string, error) {
	if known := booted.Load(); known != nil {
		return *known, nil
	}
	data, err := procfile.Read("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("naming this boot of the machine: %w", err)
	}
	id := strings.TrimSpace(string(data))
	booted.Store(&id)
	return id, nil
}

// sinceBoot returns CLOCK_BOOTTIME, in which StartTicks counts, in nanoseconds.
func sinceBoot() int64 {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) != nil {
		return 0
	}
	return ts.Nano()
}
