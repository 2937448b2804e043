package harness

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Client is a running `bulkhead client`.
type Client struct {
	// Stdout and Stderr are what it printed; read them after Wait.
	Stdout, Stderr bytes.Buffer

	dir  string
	cmd  *exec.Cmd
	done chan struct{}
	err  error // of cmd.Wait; written before done is closed

}

// StartClient starts a client from the programs in bin. Its working folder and its
// load are in dir, which must exist; args are further flags.
func StartClient(bin, dir, supervisor, name string, args ...string) (*Client, error) {
	args = append([]string{
		"client", "--supervisor", supervisor, "--name", name, "--path", dir, "--work-dir", dir,
		"--log-format", "json",
	}, args...)
	c := &Client{dir: dir, cmd: exec.Command(filepath.Join(bin, "bulkhead"), args...), done: make(chan struct{})}
	c.cmd.Stdout, c.cmd.Stderr = &c.Stdout, &c.Stderr
	// A worker that outlives its client would keep the pipes open, and with them Wait.
	c.cmd.WaitDelay = 5 * time.Second
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting a client: %w", err)
	}
	go func() { // ends with the process
		c.err = c.cmd.Wait()
		close(c.done)
	}()
	return c, nil
}

// Dir returns the folder of its load and its working folder.
func (c *Client) Dir() string { return c.dir }

// Pid returns the client parent's process id.
func (c *Client) Pid() int { return c.cmd.Process.Pid }

// Signal sends a signal to the client parent.
func (c *Client) Signal(sig syscall.Signal) error { return c.cmd.Process.Signal(sig) }

// Done returns a channel that is closed when the client parent has ended.
func (c *Client) Done() <-chan struct{} { return c.done }

// Kill ends the client parent with SIGKILL, if it still runs, and waits.
func (c *Client) Kill() {
	_ = c.cmd.Process.Kill() // it may have ended
	<-c.done
}

// Wait waits for the end and returns how: the exit status, or minus the number of
// the signal.
func (c *Client) Wait(within time.Duration) (int, error) {
	select {
	case <-c.done:
	case <-time.After(within):
		return 0, fmt.Errorf("client %d has not ended within %s", c.Pid(), within)
	}
	var exit *exec.ExitError
	switch {
	case c.err == nil:
		return 0, nil
	case !errors.As(c.err, &exit):
		return 0, c.err
	}
	ws := exit.Sys().(syscall.WaitStatus)
	if ws.Signaled() {
		return -int(ws.Signal()), nil
	}
	return ws.ExitStatus(), nil
}

// Workers returns the process ids of its workers of one role, "consumer" or "monitor",
// the first started first.
func (c *Client) Workers(role string) ([]int, error) {
	children, err := Children(c.Pid(), "bulkhead")
	if err != nil {
		return nil, err
	}
	var out []int
	for _, pid := range children {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil {
			continue // it has ended
		}
		if args := strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00"); args[len(args)-1] == role {
			out = append(out, pid)
		}
	}
	return out, nil
}
