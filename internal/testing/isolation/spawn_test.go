package isolation_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
	"bulkhead/supervisor/report"
)

// script writes a shell script that stands in for the handler's program, as
// something that is no handler.
func script(t *testing.T, path, body string) {
	t.Helper()
	expect.NoError(t, harness.WriteProgram(path, []byte("#!/bin/sh\n"+body+"\n")))
}

// older is a script that does what a handler of before there were spawners does as it is started.
const older = `case $1 in
--version) echo bulkhead-handler 0.0.1; exit;;
?*) echo "bulkhead-handler: unexpected argument \"$1\"" >&2; exit 64;;
esac
echo "1|1|unix|$PLUGIN_UNIX_SOCKET_DIR/plugin|grpc|"
exec sleep 600`

// ofAnotherMachine returns the handler's program as one for a processor that there is none of.
func ofAnotherMachine(t *testing.T) []byte {
	t.Helper()
	program, err := os.ReadFile(filepath.Join(bin, "bulkhead-handler"))
	expect.NoError(t, err)
	const machine = 18 // e_machine, elf(5)
	program[machine], program[machine+1] = 0xff, 0xfe
	return program
}

// A supervisor whose handlers do not start says why and refuses; nothing is left.
func TestSupervisorRefusesHandlersThatDoNotStart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, body string
		program    func(*testing.T) []byte
		other      func(path string) error
		args       []string
		code       int
		text       string
	}{
		{name: "exits at once", body: "exit 1", code: exitFailure,
			text: "no handler starts: starting handler: it ended before it served: exit status 1"},
		{name: "says why it exits", body: "echo 'libfoo.so is missing' >&2; exit 127", code: exitFailure,
			text: "it ended before it served: exit status 127: libfoo.so is missing"},
		{name: "dies", body: "kill -SEGV $$", code: exitFailure,
			text: "it ended before it served: killed by signal 11 (SIGSEGV)"},
		{name: "exits with 0", body: "exit 0", code: exitFailure, text: "it ended before it served: exit status 0"},
		{name: "lies about its address", body: "echo '1|2|unix|/tmp/of-somebody-else.sock|grpc|'; exec sleep 600",
			code: exitFailure, text: "its socket must be in"},
		{name: "lies about its network", body: "echo '1|2|tcp|127.0.0.1:22|grpc|'; exec sleep 600", code: exitFailure,
			text: "its socket must be in"},
		{name: "names a socket it does not have",
			body: `echo "1|2|unix|$PLUGIN_UNIX_SOCKET_DIR/none|grpc|"; exec sleep 600`,
			args: []string{"--handler-start-timeout", "1s"}, code: exitFailure,
			text: "/none: connect: no such file or directory"},
		{name: "prints nonsense", body: "echo hello; exec sleep 600", code: exitFailure, text: "message: hello"},
		{name: "prints without end", body: "exec yes", code: exitFailure, text: "message: y"},
		{name: "prints one line without end", body: "exec cat /dev/zero",
			args: []string{"--handler-start-timeout", "1s"}, code: exitFailure, text: "no handler starts"},
		{name: "never prints", body: "exec sleep 600", args: []string{"--handler-start-timeout", "1s"},
			code: exitFailure, text: "no handler starts: starting handler: it did not serve in "},
		{name: "is of an older version", body: older, code: exitConfig,
			text: "/handler is not of this version: bulkhead-handler 0.0.1 (start protocol 1); needed is that of "},
		{name: "is of an older version that does not say which", body: `case $1 in --version) exec sleep 600; esac
` + older, code: exitConfig, text: "/handler is not of this version: it does not say which version it is"},
		{name: "is of an older version that ends at once", code: exitConfig,
			body: strings.Replace(older, "exec sleep", "exit 1", 1),
			text: "/handler is not of this version: bulkhead-handler 0.0.1 (start protocol "},
		{name: "is of an older version that ends before it says so", code: exitConfig,
			body: strings.Replace(older, "echo \"1|", "exit 1\necho \"1|", 1),
			text: "/handler is not of this version: bulkhead-handler 0.0.1 (start protocol of an earlier one)"},
		{name: "is for another machine", program: ofAnotherMachine, code: exitConfig,
			text: "/handler is no program for this machine (" + runtime.GOOS + "/" + runtime.GOARCH + ")"},
		{name: "is an empty file", program: func(*testing.T) []byte { return nil }, code: exitConfig,
			text: "/handler is no program for this machine"},
		{name: "is of an interpreter that is not there", code: exitConfig,
			program: func(*testing.T) []byte { return []byte("#!/nowhere/sh\n") },
			text:    "/handler cannot be executed: it, or the interpreter that it names, does not exist"},
		{name: "is not there", code: exitConfig, text: "/handler is not a program that can be run"},
		{name: "is a folder", code: exitConfig, text: "/handler is not a program that can be run",
			other: func(path string) error { return os.Mkdir(path, 0o755) }},
		{name: "may not be executed", code: exitConfig, text: "/handler is not a program that can be run",
			other: func(path string) error { return os.WriteFile(path, []byte("#!/bin/sh\n"), 0o644) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "handler")
			switch {
			case c.body != "":
				script(t, path, c.body)
			case c.program != nil:
				expect.NoError(t, harness.WriteProgram(path, c.program(t)))
			case c.other != nil:
				expect.NoError(t, c.other(path))
			}
			state := newStateDir(t)
			s := launch(t, command(state, append(c.args, "--handler-path", path)...))
			code, err := s.Wait(patience)
			expect.NoError(t, err)
			if code != c.code || !strings.Contains(s.Log(), c.text) {
				t.Errorf("exit status %d; want %d and %q in:\n%s", code, c.code, c.text, s.Log())
			}
			if n := strings.Count(s.Log(), path); n != 1 || strings.Contains(s.Log(), "spawner") {
				t.Errorf("the program is named %d times; want it once, and nothing of a spawner:\n%s", n, s.Log())
			}
			s.nothingLeft()
			if runs, err := filepath.Glob(filepath.Join(state, "runs", "*")); err != nil || len(runs) > 0 {
				t.Errorf("runs = %v, %v; want none", runs, err)
			}
		})
	}
}

// When handlers stop starting in mid-run, connections wait, who is connected goes
// on, and when the program is repaired those who wait are served.
func TestConnectionsWaitWhileHandlersDoNotStart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "handler")
	good, err := os.ReadFile(filepath.Join(bin, "bulkhead-handler"))
	expect.NoError(t, err)
	repair := func() { expect.NoError(t, harness.WriteProgram(path, good)) }
	repair()
	s := start(t, "--clients", "3", "--handler-path", path, "--handler-pool", "1")
	s.settled(0, 1)
	tries := filepath.Join(t.TempDir(), "tries")
	script(t, path, "echo again >>'"+tries+"'; echo 'the disk is gone' >&2; exit 1")
	by := bystander(t, s, rawclient.Hello("bystander")) // takes the last good handler
	waiting := make(chan error, 2)
	for i := range cap(waiting) {
		go func() { // ends when it is served
			waiting <- closedVisit(t.Context(), s.Addr, fmt.Sprintf("waiting-%d", i))
		}()
	}
	expect.Eventually(t, func() error {
		if n := s.status().GetAcceptedConnections(); n != 3 {
			return fmt.Errorf("%d connections have come; want 3", n)
		}
		return nil
	})
	failed, err := s.Await(patience,
		func(l harness.LogLine) bool { return l.Text("msg") == "a handler does not start" })
	expect.NoError(t, err)
	if !strings.Contains(failed.Text("error"), "exit status 1: the disk is gone") ||
		failed["trying_again_in_seconds"] == nil {
		t.Errorf("the log says %v; want the cause and when it is tried again", failed)
	}
	expect.Eventually(t, func() error {
		if data, err := os.ReadFile(tries); err != nil || strings.Count(string(data), "again") < 4 {
			return fmt.Errorf("it was tried with %q, %v; want 4 times", data, err)
		}
		return nil
	})
	by.goesOn(t)
	select {
	case err := <-waiting:
		t.Fatalf("a client did not wait: %v", err)
	default:
	}
	repair()
	for range cap(waiting) {
		expect.NoError(t, <-waiting)
	}
	if n := strings.Count(s.Log(), "msg:a handler does not start"); n != 1 ||
		!strings.Contains(s.Log(), "msg:handlers start again") {
		t.Errorf("the episode is in %d lines of the log; want one for its begin and one for its end", n)
	}
	sent := by.finish(t)
	rep := s.finish(exitComplete)
	journalled(t, s, map[*load]uint64{by: sent})
	unharmed(t, rep, by, sent)
	if len(rep.Clients) != 3 || len(rep.Rejections) != 0 || rep.Clients[2].Outcome != report.OutcomeClosed {
		t.Errorf("the report has %d clients and %v as rejections; want 3, closed, and none", len(rep.Clients),
			rep.Rejections)
	}
}
