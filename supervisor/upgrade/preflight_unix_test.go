package upgrade

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A person reads why a program cannot take the place of the running one.
func TestAProgramThatIsNotFitIsToldInPlainWords(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("\x7fELF and no more"), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, test := range []struct {
		program []string
		want    string
	}{
		{[]string{"/bin/true"}, "it said nothing; is it a bulkhead program of this version or later?"},
		{[]string{"/bin/sh", "-c", "echo hello"},
			`it answered "hello\n"; is it a bulkhead program of this version or later?`},
		{[]string{"/bin/sh", "-c", "echo no luck >&2; exit 7"}, "exit status 7: no luck"},
		{[]string{"/bin/sh", "-c", `echo '{"version":"2","handler_protocol":7}'`},
			"it speaks version 7 of the protocol with handlers"},
		{[]string{"/bin/sh", "-c", `echo '{"version":"2","handler_protocol":1,"state_dir":"/elsewhere"}'`},
			"its state_dir is /elsewhere, and the run is in /here; drain instead"},
		{[]string{filepath.Join(dir, "none")},
			"there is no such file; install the new one with a rename, as make install does"},
		{[]string{file("not-executable", 0o644)}, "this user may not run it; install"},
		{[]string{file("half", 0o755)}, "it is no program for this machine, or not all of one; install"},
	} {
		_, err := Check(t.Context(), test.program, "/here")
		if want := test.program[0] + " does not pass its pre-flight: " + test.want; err == nil ||
			!strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v; want %q", test.program, err, want)
		}
	}
}

// A check that hangs is ended with all that it started.
func TestAHangingPreflightLeavesNothing(t *testing.T) {
	said := filepath.Join(t.TempDir(), "pid")
	program := []string{"/bin/sh", "-c",
		"sleep 1000 & echo $! > " + said + ".new && mv " + said + ".new " + said + "; wait"}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	checked := make(chan error, 1)
	go func() { // ended by cancel
		_, err := Check(ctx, program, "/here")
		checked <- err
	}()
	var text []byte
	soon(t, "the check's own child", func() (err error) {
		text, err = os.ReadFile(said)
		return err
	})
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	cancel()
	if err := <-checked; err == nil {
		t.Error("a check that was ended passed")
	}
	soon(t, "the end of the check's own child", func() error {
		if stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat"); err == nil &&
			!strings.Contains(string(stat), ") Z ") {
			return errors.New("it lives")
		}
		return nil
	})
}

// soon waits until there is no error.
func soon(t *testing.T, what string, look func() error) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		err := look()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waiting for %s: %v", what, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
