package agent

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"bulkhead/client/spec"
	"bulkhead/internal/pathname"
	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

const (
	// endPatience is how long a client may take to end its load after it was asked to, and
	// hurryPatience after it was asked to end at once; then it is killed.
	endPatience   = 2 * time.Minute
	hurryPatience = 15 * time.Second
	// defaultOvertime is how long a client may live beside what bounds the time in which it writes: for what
	// it checks first, the gather, what it verifies at its end, and what it delivers.
	defaultOvertime = 15 * time.Minute
	// outputPatience is how long what a client left behind may hold its output open.
	outputPatience = 2 * time.Second
	// lastLineBytes is how much is kept of a client's last line.
	lastLineBytes = 512
)

// client is a client's process. It is the leader of a process group, and the kernel asks it to end
// when the agent dies.
type client struct {
	cmd  *exec.Cmd
	last *lastLine
	log  *slog.Logger
	dir  string // of this task, which is removed when nothing of it is left
	done chan struct{}
	end  ended // written before done is closed

	mu    sync.Mutex
	asked int  // guarded by mu; how often it was asked to end, at most twice
	gone  bool // guarded by mu; it was waited for, and its number may be another's
}

// ended is how a client ended.
type ended struct {
	status, signal int32
	text           string
}

// startClient starts the client of a task, which was checked. Its load is in a file that only this
// user can read; what is the owner's is in its environment, over that.
func (a *agent) startClient(ask *bulkheadv1.Task) (*client, error) {
	dir, err := os.MkdirTemp(a.cfg.Folders.Own, taskPrefix) // 0700
	if err != nil {
		return nil, err
	}
	load := filepath.Join(dir, loadFile)
	if err := os.WriteFile(load, ask.GetLoad(), 0o600); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	c := &client{log: a.log, dir: dir, last: &lastLine{to: a.cfg.Output}, done: make(chan struct{})}
	c.cmd = exec.Command(a.cfg.Program, "client", "--config", load)
	c.cmd.Dir = dir
	c.cmd.Env = a.environment(ask)
	c.cmd.Stdout, c.cmd.Stderr = c.last, c.last
	c.cmd.WaitDelay = outputPatience
	// The kernel may send it more than once: for each thread of the agent that becomes the parent, and ends.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGUSR1}
	started := make(chan error, 1)
	go func() { // ends with the client; begin waits for that
		// The kernel tells a child of the end of the thread that started it. The thread is confined as the
		// client is, and so it ends with this goroutine, which keeps it.
		runtime.LockOSThread()
		err := confine(a.allowed(), a.clientDir())
		if err == nil {
			err = c.cmd.Start()
		}
		started <- err
		if err == nil {
			go c.reap() // ends with the client
			<-c.done
		}
	}()
	if err := <-started; err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	// For the next agent, if this one is killed. Without it, that sees what the client left when it has ended.
	_ = os.WriteFile(filepath.Join(dir, pidFile), strconv.AppendInt(nil, int64(c.pid()), 10), 0o600)
	return c, nil
}

// allowed returns the folders below which loads may write.
func (a *agent) allowed() (paths []string) {
	for _, one := range a.cfg.Limits.Allowances {
		paths = append(paths, one.Path)
	}
	return paths
}

// clientDir returns the folder in which clients make their working folders.
func (a *agent) clientDir() string { return a.cfg.Folders.Work }

// environment returns the environment of a client: what the owner of the machine sets, and which of the
// supervisors has the task. a.mu is held.
func (a *agent) environment(ask *bulkheadv1.Task) []string {
	env := []string{
		"PATH=" + os.Getenv("PATH"), "NO_COLOR=1", "BULKHEAD_SUPERVISOR=" + a.cfg.Supervisor.String(),
		"BULKHEAD_NAME=" + ask.GetClientName(),
		spec.SecretVariable + "=" + hex.EncodeToString(protocol.TaskClientID(ask.GetTaskId())),
	}
	var labels []string
	for _, key := range slices.Sorted(maps.Keys(a.cfg.Labels)) {
		labels = append(labels, key+"="+a.cfg.Labels[key])
	}
	for _, set := range []struct{ name, value string }{
		{spec.FirstSupervisorVariable, a.supervisor}, {"TMPDIR", os.Getenv("TMPDIR")},
		{"BULKHEAD_WORK_DIR", a.cfg.Folders.Work},
		{"BULKHEAD_LABELS", strings.Join(labels, ",")}, {"BULKHEAD_TOKEN_FILE", a.cfg.TokenFile},
		{"BULKHEAD_TLS_CA", a.cfg.TLS.CA}, {"BULKHEAD_TLS_CERT", a.cfg.TLS.Cert}, {"BULKHEAD_TLS_KEY", a.cfg.TLS.Key},
		{"BULKHEAD_TLS_SERVER_NAME", a.cfg.TLS.ServerName},
	} {
		if set.value != "" {
			env = append(env, set.name+"="+set.value)
		}
	}
	return env
}

func (c *client) pid() int { return c.cmd.Process.Pid }

// stop asks the client to end in order, once however often it is called, or, with hurry, at once. It
// is killed if it does not.
func (c *client) stop(reason string, hurry bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone || c.asked >= 2 || c.asked == 1 && !hurry {
		return
	}
	c.asked++
	c.log.Info("the client of a task is asked to end", "client_pid", c.pid(), "reason", pathname.Printable(reason))
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // it lives, or is not waited for yet
	patience := endPatience
	if c.asked == 2 {
		patience = hurryPatience
	}
	time.AfterFunc(patience, c.kill) // does nothing after its end
}

// kill kills the client and its process group; its workers end with it.
func (c *client) kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.gone {
		c.log.Error("the client of a task does not end, and is killed", "client_pid", c.pid())
		_ = syscall.Kill(-c.pid(), syscall.SIGKILL)
	}
}

// reap waits for the client, the one time.
func (c *client) reap() {
	defer close(c.done)
	// Until it is waited for, its number is that of nobody else.
	var err error
	for err = unix.EINTR; err == unix.EINTR; {
		err = unix.Waitid(unix.P_PID, c.pid(), nil, unix.WEXITED|unix.WNOWAIT, nil)
	}
	c.mu.Lock()
	c.gone = true
	_ = syscall.Kill(-c.pid(), syscall.SIGKILL) // what is left of its group; its workers have groups of their own
	c.mu.Unlock()
	_ = c.cmd.Wait() // the state says it all
	state := c.cmd.ProcessState
	if state == nil || err != nil {
		c.end = ended{status: -1, text: fmt.Sprintf("waiting for the client: %v", err)}
		return
	}
	switch status, ok := state.Sys().(syscall.WaitStatus); {
	case ok && status.Signaled():
		c.end = ended{signal: int32(status.Signal()), text: fmt.Sprintf("the client was ended by signal %d (%s)",
			int(status.Signal()), status.Signal())}
	case state.ExitCode() == 0:
		c.end = ended{text: "the client ended in order"}
	default:
		c.end = ended{status: int32(state.ExitCode()), text: fmt.Sprintf("the client ended with status %d",
			state.ExitCode())}
		if last := c.last.text(); last != "" {
			c.end.text += ": " + last
		}
	}
}

// wait waits for the end of the client and returns how it ended.
func (c *client) wait() ended {
	<-c.done
	return c.end
}

// lastLine passes on what a client prints, and keeps the last line.
type lastLine struct {
	to interface{ Write([]byte) (int, error) }

	mu   sync.Mutex
	line []byte // guarded by mu; the last whole line, or what there is of it
	open []byte // guarded by mu; of a line that is not whole
}

func (l *lastLine) Write(p []byte) (int, error) {
	l.mu.Lock()
	for rest := p; len(rest) > 0; {
		part, after, whole := bytes.Cut(rest, []byte("\n"))
		l.open = append(l.open, part[:min(len(part), lastLineBytes-len(l.open))]...)
		if rest = after; whole {
			if len(bytes.TrimSpace(l.open)) > 0 {
				l.line = append(l.line[:0], l.open...)
			}
			l.open = l.open[:0]
		}
	}
	l.mu.Unlock()
	_, _ = l.to.Write(p) // a reader that is gone costs the client nothing
	return len(p), nil
}

func (l *lastLine) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return pathname.Printable(strings.TrimSpace(strings.ToValidUTF8(string(l.line), "?")))
}
