package harness

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Children returns the process ids of a process's children whose program's name is
// name, "" for all.
func Children(pid int, name string) ([]int, error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return nil, err
	}
	var out []int
	for _, t := range tasks {
		data, err := os.ReadFile(t)
		if err != nil {
			continue // the thread ended
		}
		for _, f := range strings.Fields(string(data)) {
			child, err := strconv.Atoi(f)
			if err != nil {
				return nil, fmt.Errorf("reading %s: %w", t, err)
			}
			if name == "" || ProgramOf(child) == name {
				out = append(out, child)
			}
		}
	}
	return out, nil
}

// Spawner is what Children and ProgramOf call a supervisor's spawner, which is a handler's
// program with another argument.
const Spawner = "spawner"

// ProgramOf returns the base name of a process's program; "" if it is gone.
func ProgramOf(pid int) string {
	target, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		return ""
	}
	line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)) // empty if it is gone
	if bytes.HasSuffix(line, []byte("\x00"+Spawner+"\x00")) {
		return Spawner
	}
	return filepath.Base(strings.TrimSuffix(target, " (deleted)"))
}

// PrivateMemory returns a process's private memory in bytes (/proc/PID/smaps_rollup:
// Private_Clean + Private_Dirty).
func PrivateMemory(pid int) (uint64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	var sum uint64
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) >= 2 && (f[0] == "Private_Clean:" || f[0] == "Private_Dirty:") {
			kb, err := strconv.ParseUint(f[1], 10, 64)
			if err != nil {
				return 0, fmt.Errorf("reading the memory of process %d: %w", pid, err)
			}
			sum += kb << 10
		}
	}
	return sum, nil
}

// OpenFiles lists what a process's descriptors point at.
func OpenFiles(pid int) (map[int]string, error) {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	out := make(map[int]string)
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		path := filepath.Join(dir, e.Name())
		target, err := os.Readlink(path)
		if err != nil {
			continue
		}
		if strings.HasPrefix(target, "/memfd:") { // which do not have names of their own
			if info, err := os.Stat(path); err == nil {
				target += fmt.Sprintf(" [%d]", info.Sys().(*syscall.Stat_t).Ino)
			}
		}
		out[fd] = target
	}
	return out, nil
}

// Environment returns the environment a process was started with.
func Environment(pid int) ([]string, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(data), "\x00"), "\x00"), nil
}

// WithEnvironment returns the processes, whoever's children they are, that have text
// somewhere in their environment.
func WithEnvironment(text string) ([]int, error) {
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		return nil, err
	}
	var out []int
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil || !bytes.Contains(data, []byte(text)) {
			continue // gone, or not ours
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(f)))
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", f, err)
		}
		out = append(out, pid)
	}
	return out, nil
}

// State returns the state of a process as one letter (proc(5)): R, S, D, T for stopped,
// Z for a zombie. It returns an error wrapping fs.ErrNotExist for one that is gone.
func State(pid int) (string, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	// The program's name is in parentheses and may hold anything.
	_, rest, ok := strings.Cut(string(data[bytes.LastIndexByte(data, ')')+1:]), " ")
	if !ok || rest == "" {
		return "", fmt.Errorf("reading the state of process %d: %q", pid, data)
	}
	return rest[:1], nil
}

// Watch holds on to one process, so that its end can be awaited whoever's child it
// is and whoever gets its process id next.
type Watch struct {
	Pid int
	fd  int // a pidfd
}

// NewWatch watches a process. The caller closes the Watch.
func NewWatch(pid int) (*Watch, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, fmt.Errorf("watching process %d: %w", pid, err)
	}
	return &Watch{Pid: pid, fd: fd}, nil
}

// AwaitExit waits until the process has ended.
func (w *Watch) AwaitExit(within time.Duration) error {
	for deadline := time.Now().Add(within); ; {
		left := max(0, time.Until(deadline))
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(w.fd), Events: unix.POLLIN}}, int(left.Milliseconds()))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return fmt.Errorf("watching process %d: %w", w.Pid, err)
		case n > 0:
			return nil
		case left == 0:
			return fmt.Errorf("process %d has not ended within %s", w.Pid, within)
		}
	}
}

// Close lets go of the process.
func (w *Watch) Close() error { return unix.Close(w.fd) }
