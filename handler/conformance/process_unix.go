package conformance

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// killAfter is how long a client may take to end when it is asked to.
const killAfter = 5 * time.Second

// process is a client that was started here, in a process group of its own. A nil process
// is a client that somebody else started: it never ends.
type process struct {
	cmd  *exec.Cmd
	over chan struct{} // closed when it was waited for
}

// exited is how a process ended.
type exited struct{ *os.ProcessState }

func (e exited) String() string { return e.ProcessState.String() }
func (e exited) status() int    { return e.ExitCode() }

func startProcess(command []string, address string, output io.Writer) (*process, error) {
	args := make([]string, len(command)-1)
	for i, a := range command[1:] {
		args[i] = strings.ReplaceAll(a, "ADDRESS", address)
	}
	cmd := exec.Command(command[0], args...)
	cmd.Env = append(os.Environ(), "BULKHEAD_SUPERVISOR="+address)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.WaitDelay = killAfter // a child of it may hold its output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the client: %w", err)
	}
	p := &process{cmd: cmd, over: make(chan struct{})}
	go func() { // ends with the process, which kill sees to
		defer close(p.over)
		_ = cmd.Wait() // the state says how
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// done returns a channel that is closed when the process has ended.
func (p *process) done() <-chan struct{} {
	if p == nil {
		return nil
	}
	return p.over
}

// ended reports whether, and how, the process has ended.
func (p *process) ended() (exited, bool) {
	if p == nil {
		return exited{}, false
	}
	select {
	case <-p.over:
		return exited{p.cmd.ProcessState}, true
	default:
		return exited{}, false
	}
}

// kill ends the process and its group, in order if that is quick.
func (p *process) kill() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // an error means that it has ended
	late := time.AfterFunc(killAfter, func() { _ = syscall.Kill(-p.pid(), syscall.SIGKILL) })
	<-p.over
	if late.Stop() { // what it left behind
		_ = syscall.Kill(-p.pid(), syscall.SIGKILL)
	}
}
