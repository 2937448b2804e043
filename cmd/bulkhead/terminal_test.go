package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/term"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/screen"
)

// onTerminal is a program on a terminal of its own.
type onTerminal struct {
	*screen.Terminal
	cmd    *exec.Cmd
	done   chan struct{}
	result error // of cmd.Wait; read it after done is closed
}

// onTTY starts a program on a terminal, with more in its environment; it is killed
// after the test. piped says that its stdout is not the terminal.
func onTTY(t *testing.T, term *screen.Terminal, env []string, piped *bytes.Buffer, args ...string) *onTerminal {
	t.Helper()
	program, err := exec.LookPath(args[0])
	if err != nil {
		t.Fatal(err)
	}
	p := &onTerminal{Terminal: term, cmd: exec.Command(program, args[1:]...), done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), append([]string{"TERM=xterm-256color", "NO_COLOR=1"}, env...)...)
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = term.TTY, term.TTY, term.TTY
	if piped != nil {
		p.cmd.Stdout = piped
	}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { // ends with the process
		defer close(p.done)
		p.result = p.cmd.Wait()
	}()
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); <-p.done })
	return p
}

func newTerminal(t *testing.T) *screen.Terminal {
	t.Helper()
	term, err := screen.New(120, 30)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(term.Close)
	return term
}

// shows waits until the screen matches a pattern.
func (p *onTerminal) shows(t *testing.T, pattern string) screen.View {
	t.Helper()
	re := regexp.MustCompile(pattern)
	v, err := p.Await(patience, func(v screen.View) bool { return re.MatchString(v.Text()) })
	if err != nil {
		t.Fatalf("%s: %v", pattern, err)
	}
	return v
}

// ends waits for the end and wants an exit status.
func (p *onTerminal) ends(t *testing.T, status int) {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		t.Fatalf("it does not end; the terminal shows\n%s", p.View().All())
	}
	if err := p.Settle(patience); err != nil {
		t.Fatal(err)
	}
	if got := p.cmd.ProcessState.ExitCode(); got != status {
		t.Fatalf("exit status %d (%v); want %d; the terminal shows\n%s", got, p.result, status, p.View().All())
	}
}

// stateDir returns a state directory whose path is short enough for sockets.
func stateDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "bh")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "state")
}

// clientCommandLine returns the command line of a client that writes for a time.
func clientCommandLine(t *testing.T, addr, name, runtime string) []string {
	t.Helper()
	return []string{"bulkhead", "client", "--supervisor", addr, "--name", name, "--runtime", runtime, "--consumers",
		"2",
		"--chunk-size", "16KiB", "--file-size", "64KiB", "--path", t.TempDir(), "--heartbeat-interval", "200ms",
		"--heartbeat-timeout", "200ms",
		"--progress-interval", "200ms", "--keep-files", "2"}
}

var readyLine = regexp.MustCompile(`supervisor ready.* listen=(\S+)`)

// listening returns the address at which the supervisor on a terminal listens.
func (p *onTerminal) listening(t *testing.T) string {
	t.Helper()
	v, err := p.Await(patience, func(v screen.View) bool { return readyLine.MatchString(v.All()) })
	if err != nil {
		t.Fatal(err)
	}
	return readyLine.FindStringSubmatch(v.All())[1]
}

// The supervisor draws its run below its log, takes it off before it prints the report,
// and leaves the terminal as it was.
func TestSupervisorOnATerminal(t *testing.T) {
	state := stateDir(t)
	s := onTTY(t, newTerminal(t), nil, nil, "bulkhead", "supervisor", "start", "--listen", "127.0.0.1:0", "--state-dir",
		state, "--linger", "0s")
	addr := s.listening(t)
	s.shows(t, `run \S+  waiting  \d\d:\d\d  clients 0 of 1`)
	c := onTTY(t, newTerminal(t), nil, nil, clientCommandLine(t, addr, "alpha", "4s")...)
	v := s.shows(t, `(?m)^alpha +active +\d+\.\d +\S+s +3 ok +\d+ +\S+ .B +\d+ +0$`)
	if !strings.Contains(v.Text(), "client joined") {
		t.Errorf("the log does not scroll above the table:\n%s", v.Text())
	}
	if err := s.Resize(60, 12); err != nil {
		t.Fatal(err)
	}
	s.shows(t, `(?m)^running  .*\n.*\nalpha +active `) // what could be looked up elsewhere has gone
	c.shows(t, `\d+ %  \d+\.\d MB/s  \S+ .B in \d+ files?  00:0\d left`)
	c.ends(t, exitOK)
	s.ends(t, exitOK)
	all := s.View().All()
	report := all[strings.Index(all, "COMPLETE"):]
	for _, left := range []string{"waiting", "MB/s  p99", "alpha    active"} {
		if strings.Contains(report, left) {
			t.Errorf("%q of the table is left in the report:\n%s", left, report)
		}
	}
	if drawn := regexp.MustCompile(`(?m)^(run \S+  )?(waiting|running|draining)  .*$`).FindString(all); drawn != "" {
		t.Errorf("a table is left behind: %s", drawn)
	}
	if strings.Contains(all, "msg=progress") || strings.Contains(all, " progress ") {
		t.Errorf("there are lines of progress beside the table:\n%s", all)
	}
	if out := c.View().All(); !regexp.MustCompile(`(?m)^complete: \d+ files?`).MatchString(out) ||
		strings.Contains(out, "left") {
		t.Errorf("the client's terminal shows\n%s", out)
	}
}

// What is no terminal, cannot draw, or reads JSON gets lines, no table and no escapes.
func TestNoTableWhereNoneBelongs(t *testing.T) {
	for name, tt := range map[string]struct {
		env  []string
		args []string
	}{
		"TERM=dumb": {env: []string{"TERM=dumb"}},
		"JSON":      {args: []string{"--log-format", "json"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			state := stateDir(t)
			s := onTTY(t, newTerminal(t), tt.env, nil,
				append([]string{"bulkhead", "supervisor", "start", "--listen", "127.0.0.1:0", "--state-dir", state},
					tt.args...)...)
			if _, err := s.Await(patience,
				func(v screen.View) bool { return strings.Contains(v.Text(), "supervisor ready") }); err != nil {
				t.Fatal(err)
			}
			if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			s.ends(t, exitPartial)
			if raw := s.View().Raw; strings.Contains(raw, "\x1b") || strings.Contains(raw, "waiting") {
				t.Errorf("there is a table or an escape in %q", raw)
			}
		})
	}
}

// The report on a stdout that is no terminal is the same to the byte as the one in the
// file, however much is drawn on stderr.
func TestReportBesideTheTable(t *testing.T) {
	state := stateDir(t)
	var out bytes.Buffer
	s := onTTY(t, newTerminal(t), nil, &out, "bulkhead", "supervisor", "start", "--listen", "127.0.0.1:0",
		"--state-dir", state)
	s.shows(t, `waiting`)
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.ends(t, exitPartial)
	text, err := os.ReadFile(filepath.Join(state, "runs", "latest", "report.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(out.Bytes(), text) {
		t.Errorf("stdout is\n%q\nthe file\n%q", out.Bytes(), text)
	}
	if v := s.View(); strings.Contains(v.All(), "waiting") {
		t.Errorf("the table is left on the terminal:\n%s", v.All())
	}
}

// top shows the run of a running supervisor, and gives the terminal back whatever ends
// it.
func TestTop(t *testing.T) {
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
	ends := map[string]func(*onTerminal) error{
		"q":       func(p *onTerminal) error { return p.Type("q") },
		"Ctrl-C":  func(p *onTerminal) error { return p.Type("\x03") },
		"SIGTERM": func(p *onTerminal) error { return p.cmd.Process.Signal(syscall.SIGTERM) },
		"SIGHUP":  func(p *onTerminal) error { return p.cmd.Process.Signal(syscall.SIGHUP) },
		"SIGINT":  func(p *onTerminal) error { return p.cmd.Process.Signal(syscall.SIGINT) },
	}
	for name, end := range ends {
		tty := newTerminal(t)
		before, err := term.GetState(int(tty.TTY.Fd()))
		if err != nil {
			t.Fatal(err)
		}
		p := onTTY(t, tty, nil, nil, "bulkhead", "top", "--state-dir", state)
		if v := p.shows(t, `run \S+  waiting  .*clients 0 of 1`); !v.Other {
			t.Errorf("%s: it is not on the other screen", name)
		}
		if err := end(p); err != nil {
			t.Fatal(err)
		}
		p.ends(t, exitOK)
		after, err := term.GetState(int(tty.TTY.Fd()))
		if err != nil {
			t.Fatal(err)
		}
		if *before != *after {
			t.Errorf("%s: the terminal's modes are %+v; they were %+v", name, after, before)
		}
		if _, err := p.Await(patience, func(v screen.View) bool {
			return !v.Other && strings.TrimSpace(v.Text()) == "" && strings.HasSuffix(v.Raw, "\x1b[?25h\x1b[?1049l")
		}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}

	p := onTTY(t, newTerminal(t), nil, nil, "bulkhead", "top", "--state-dir", state)
	p.shows(t, `waiting`)
	if err := s.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.ends(t, exitOK)
	p.shows(t, `^the supervisor has ended`)
}

// A supervisor that does not answer is not shown as if it did; when it does again, top
// continues.
func TestTopOfASilentSupervisor(t *testing.T) {
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
	p := onTTY(t, newTerminal(t), nil, nil, "bulkhead", "top", "--state-dir", state)
	p.shows(t, `^run \S+  waiting `)
	if err := s.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	p.shows(t, `^no answer from the supervisor for 00:\d\d; this is how it was\nrun \S+  waiting `)
	if err := s.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	p.shows(t, `^run \S+  waiting `)
}

// Without a terminal top says what to use instead.
func TestTopWithoutATerminal(t *testing.T) {
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"bulkhead", "top"}, &out, &errs); code != exitUsage ||
		!strings.Contains(errs.String(), "bulkhead supervisor status") {
		t.Errorf("exit status %d, %s", code, errs.String())
	}
}

// In colour unless NO_COLOR is set.
func TestColourOnATerminal(t *testing.T) {
	for _, tt := range []struct {
		env  string
		want bool
	}{{"NO_COLOR=1", false}, {"NO_COLOR=", true}} {
		state := stateDir(t)
		s := onTTY(t, newTerminal(t), []string{tt.env}, nil, "bulkhead", "supervisor", "start", "--listen",
			"127.0.0.1:0", "--state-dir", state)
		s.shows(t, "waiting")
		if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		s.ends(t, exitPartial)
		sgr := regexp.MustCompile("\x1b\\[[0-9;]+m")
		if got := sgr.MatchString(s.View().Raw); got != tt.want {
			t.Errorf("%s: colour is %t; want %t", tt.env, got, tt.want)
		}
	}
}
