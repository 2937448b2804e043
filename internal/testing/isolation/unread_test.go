package isolation_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"bulkhead/internal/exitstatus"
	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/control"
)

// unread are places to print to that take nothing, by name.
var unread = map[string]func(t *testing.T) *os.File{
	"pipe":     fullPipe,
	"terminal": stoppedTerminal,
}

// fullPipe returns a pipe that is full, and stays so: its reader does not read.
func fullPipe(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	expect.NoError(t, err)
	t.Cleanup(func() { r.Close(); w.Close() })
	fd := int(w.Fd()) // makes it blocking, as a shell's is
	expect.NoError(t, unix.SetNonblock(fd, true))
	for page := make([]byte, 4096); ; {
		if _, err := unix.Write(fd, page); errors.Is(err, unix.EAGAIN) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	expect.NoError(t, unix.SetNonblock(fd, false))
	return w
}

// stoppedTerminal returns a terminal on which somebody has pressed Ctrl-S.
func stoppedTerminal(t *testing.T) *os.File {
	t.Helper()
	master, tty, err := pty.Open()
	expect.NoError(t, err)
	t.Cleanup(func() { master.Close(); tty.Close() })
	expect.NoError(t, pty.Setsize(tty, &pty.Winsize{Rows: 24, Cols: 100}))
	expect.NoError(t, unix.IoctlSetInt(int(tty.Fd()), unix.TCXONC, unix.TCOOFF))
	return tty
}

// mute is a program whose output nobody reads.
type mute struct {
	*exec.Cmd
	t     *testing.T
	ended chan struct{}
}

// startMute starts cmd with stdout and stderr to out.
func startMute(t *testing.T, cmd *exec.Cmd, out *os.File) *mute {
	t.Helper()
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = append(os.Environ(), "TERM=xterm")
	expect.NoError(t, cmd.Start())
	m := &mute{Cmd: cmd, t: t, ended: make(chan struct{})}
	go func() { // ends with the process, which the test kills
		defer close(m.ended)
		_ = cmd.Wait() // its state says how
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // an error means that it has ended
		<-m.ended
	})
	return m
}

// interrupt sends the program a SIGTERM, unless it has given its reader up and ended by itself.
func (m *mute) interrupt() {
	m.t.Helper()
	if err := m.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		m.t.Error(err)
	}
}

// ends waits until the program has ended with a status.
func (m *mute) ends(status ...int) {
	m.t.Helper()
	expect.Eventually(m.t, func() error {
		select {
		case <-m.ended:
			return nil
		default:
			return errors.New("the program has not ended")
		}
	})
	if !slices.Contains(status, m.ProcessState.ExitCode()) {
		m.t.Errorf("it ended with %s; want %d", m.ProcessState, status)
	}
}

// statusOf returns what the supervisor of a state directory says, once it has a listener.
func statusOf(t *testing.T, state string) *bulkheadv1.StatusResponse {
	t.Helper()
	var st *bulkheadv1.StatusResponse
	expect.Eventually(t, func() error {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		c, err := control.Dial(ctx, state)
		if err != nil {
			return err
		}
		defer c.Close()
		if st, err = c.Status(ctx, &bulkheadv1.StatusRequest{}); err == nil &&
			(st.GetListen() == "" || st.GetRunId() == "") {
			err = errors.New("no run yet")
		}
		return err
	})
	return st
}

// deliver delivers messages 1 to 3 over a connection of its own; the client is still there.
func deliver(t *testing.T, addr, name string) *rawclient.Client {
	t.Helper()
	c, err := rawclient.Dial(t.Context(), addr)
	expect.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	_, err = c.Greet(rawclient.Hello(name))
	expect.NoError(t, err)
	expect.NoError(t, c.SendBatch(1, 3))
	expect.NoError(t, c.AwaitAck(3))
	return c
}

// leave ends a client in order.
func leave(t *testing.T, c *rawclient.Client) {
	t.Helper()
	expect.NoError(t, c.Goodbye(3))
	if err := c.End(); !errors.Is(err, io.EOF) {
		t.Errorf("the session ended with %v; want OK", err)
	}
}

// Nobody reads what a supervisor prints: sessions are served, runs end, operators are obeyed,
// and everything is settled before it waits for somebody to take the report.
// Of the printing it checks only that a signal ends it; how long a reader is waited for is tested
// in internal/results.
func TestASupervisorThatNobodyReads(t *testing.T) {
	t.Parallel()
	for where, open := range unread {
		for _, format := range []string{"text", "json"} {
			for how, end := range map[string]struct {
				status []int
				by     func(t *testing.T, m *mute, state string, c *rawclient.Client)
			}{
				"run over": {[]int{0}, func(t *testing.T, _ *mute, _ string, c *rawclient.Client) { leave(t, c) }},
				"SIGTERM": {[]int{exitstatus.Complete, exitstatus.Interrupted},
					func(t *testing.T, m *mute, _ string, c *rawclient.Client) {
						expect.NoError(t, m.Process.Signal(syscall.SIGTERM))
						awaitDrain(t, c)
						leave(t, c)
					}},
				"drain": {[]int{exitstatus.Complete, exitstatus.Interrupted},
					func(t *testing.T, _ *mute, state string, c *rawclient.Client) {
						out, err := exec.Command(filepath.Join(bin, "bulkhead"), "supervisor", "drain", "--state-dir",
							state).CombinedOutput()
						if err != nil {
							t.Fatalf("%v: %s", err, out)
						}
						awaitDrain(t, c)
						leave(t, c)
					}},
				"upgrade": {[]int{0}, func(t *testing.T, _ *mute, state string, c *rawclient.Client) {
					out, err := exec.Command(filepath.Join(bin, "bulkhead"), "supervisor", "upgrade", "--state-dir",
						state).CombinedOutput()
					if err != nil {
						t.Fatalf("%v: %s", err, out)
					}
					expect.Eventually(t, func() error {
						if st := statusOf(t, state); st.GetRestarts() != 1 {
							return fmt.Errorf("%d restarts", st.GetRestarts())
						}
						return nil
					})
					leave(t, c)
				}},
			} {
				t.Run(where+"/"+format+"/"+how, func(t *testing.T) {
					t.Parallel()
					state := newStateDir(t)
					m := startMute(t, harness.SupervisorCommand(bin, state, "--log-level", "debug", "--log-format",
						format,
						"--linger", "0s", "--drain-timeout", patience.String()), open(t))
					st := statusOf(t, state)
					end.by(t, m, state, deliver(t, st.GetListen(), "heard"))
					settled(t, state, st.GetRunDir())
					m.interrupt() // the report is still to be taken
					m.ends(end.status...)
				})
			}
		}
	}
}

// awaitDrain waits until the client is asked to end its load.
func awaitDrain(t *testing.T, c *rawclient.Client) {
	t.Helper()
	for {
		f, err := c.Recv()
		expect.NoError(t, err)
		if f.GetDrain() != nil {
			return
		}
	}
}

// settled waits until a supervisor has nothing left to do but to print: its reports are
// there, and the state directory is free.
func settled(t *testing.T, state, run string) {
	t.Helper()
	expect.Eventually(t, func() error {
		if _, err := os.Stat(filepath.Join(run, "report.html")); err != nil {
			return err
		}
		lock, err := os.Open(filepath.Join(state, "supervisor.lock"))
		if err != nil {
			return err
		}
		defer lock.Close()
		return unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	})
}

// The report of one run, which nobody takes, does not hold up the next.
func TestTheNextRunDoesNotWaitForAReader(t *testing.T) {
	t.Parallel()
	state := newStateDir(t)
	m := startMute(t, harness.SupervisorCommand(bin, state, "--keep-running=true", "--linger", "0s"), fullPipe(t))
	first := statusOf(t, state)
	leave(t, deliver(t, first.GetListen(), "one"))
	expect.Eventually(t, func() error {
		if st := statusOf(t, state); st.GetRunId() == first.GetRunId() {
			return errors.New("still the first run")
		}
		return nil
	})
	leave(t, deliver(t, first.GetListen(), "two"))
	expect.NoError(t, m.Process.Signal(syscall.SIGTERM))
	expect.Eventually(t, func() error { // one signal ends the runs, another one the printing
		_ = m.Process.Signal(syscall.SIGTERM)
		select {
		case <-m.ended:
			return nil
		default:
			return errors.New("the supervisor has not ended")
		}
	})
}

// Nobody reads what a client prints: its load ends with its runtime, everything is delivered,
// and its workers are gone before it waits for somebody to take the result.
// Of the printing it checks only that a signal ends it; how long a reader is waited for is tested
// in internal/results.
func TestAClientThatNobodyReads(t *testing.T) {
	t.Parallel()
	for where, open := range unread {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			dir := newStateDir(t) // short enough for sockets
			expect.NoError(t, os.Mkdir(dir, 0o700))
			cmd := exec.Command(filepath.Join(bin, "bulkhead"), "client", "--supervisor", s.Addr, "--name",
				"unread", "--log-level", "debug",
				"--runtime", "1s", "--consumers", "1", "--chunk-size", "4KiB", "--file-size", "64KiB", "--rate-bytes",
				"1MiB",
				"--progress-interval", "100ms", "--path", filepath.Join(dir, "load"), "--work-dir", dir)
			m := startMute(t, cmd, open(t))
			s.finish(exitComplete)
			expect.Eventually(t, func() error {
				workers, err := harness.Children(m.Process.Pid, "")
				if err == nil && len(workers) > 0 {
					err = fmt.Errorf("its workers are still there: %v", workers)
				}
				if left, _ := filepath.Glob(filepath.Join(dir, "load", "bulkhead-*")); err == nil && len(left) > 0 {
					err = fmt.Errorf("its load is still there: %v", left)
				}
				return err
			})
			m.interrupt() // before it begins to print that is for the load
			m.ends(0)
		})
	}
}
