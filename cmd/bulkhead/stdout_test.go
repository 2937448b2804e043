package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"bulkhead/internal/exitstatus"
	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/screen"
)

// gone returns a pipe whose reader has gone.
func gone(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	t.Cleanup(func() { w.Close() })
	return w
}

// A reader of stdout that has seen enough (`bulkhead report … | head`) is no error: every
// command ends with the status that it would have had, without a word.
func TestReaderThatHasSeenEnough(t *testing.T) {
	state := stateDir(t)
	program, err := exec.LookPath("bulkhead")
	if err != nil {
		t.Fatal(err)
	}
	s, err := harness.StartSupervisor(filepath.Dir(program), state, "--linger", "0s")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Kill()
	ends := func(want int, args ...string) {
		t.Helper()
		var errs bytes.Buffer
		cmd := exec.Command(program, args...)
		cmd.Stdout, cmd.Stderr = gone(t), &errs
		var exit *exec.ExitError
		if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if got := cmd.ProcessState.ExitCode(); got != want {
			t.Errorf("%q ends with %s; want %d; it says %s", args, cmd.ProcessState, want, errs.String())
		}
		if want == 0 && errs.Len() > 0 {
			t.Errorf("%q says %s", args, errs.String())
		}
	}
	ends(0, "supervisor", "status", "--state-dir", state)
	ends(0, "supervisor", "status", "--json", "--state-dir", state)
	if err := s.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Wait(patience); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"text", "json", "html", "csv", "markdown", "junit"} {
		ends(0, "report", s.RunDir, "--format", format)
	}
	ends(exitstatus.Partial, "report", s.RunDir, "--assert", "lost > 100")
	ends(0, "report", "compare", s.RunDir, s.RunDir)
	ends(0, "journal", "check", s.RunDir)
	ends(0, "journal", "check", "--json", s.RunDir)
	ends(0, "verify", "--help")
	ends(0, "version")
	ends(0, "client", "--dry-run", "--path", t.TempDir())
}

// A terminal that was stopped keeps nobody waiting: top ends by a signal, and gives the
// terminal its modes back.
func TestTopOnAStoppedTerminal(t *testing.T) {
	state := stateDir(t)
	program, err := exec.LookPath("bulkhead")
	if err != nil {
		t.Fatal(err)
	}
	s, err := harness.StartSupervisor(filepath.Dir(program), state, "--linger", "0s")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Kill()
	tty := newTerminal(t)
	if err := unix.IoctlSetInt(int(tty.TTY.Fd()), unix.TCXONC, unix.TCOOFF); err != nil {
		t.Fatal(err)
	}
	before := modes(t, tty)
	p := onTTY(t, tty, nil, nil, "bulkhead", "top", "--state-dir", state)
	for deadline := time.Now().Add(patience); *modes(t, tty) == *before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("top does not take the terminal over")
		}
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.done:
	case <-time.After(patience):
		t.Fatal("top does not end")
	}
	if got := p.cmd.ProcessState.ExitCode(); got != 0 {
		t.Errorf("it ends with %s", p.cmd.ProcessState)
	}
	if after := modes(t, tty); *after != *before {
		t.Errorf("the terminal's modes are %+v; they were %+v", after, before)
	}
	if raw := p.View().Raw; raw != "" {
		t.Errorf("the terminal was not stopped: it was told %q", raw)
	}
}

// modes returns the terminal's modes.
func modes(t *testing.T, tty *screen.Terminal) *term.State {
	t.Helper()
	s, err := term.GetState(int(tty.TTY.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	return s
}
