package child_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"os/exec"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"bulkhead/internal/child"
	"bulkhead/internal/child/inside"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// leaving serves, and at its end leaves a process behind that has its stderr. It says which.
func leaving(options inside.Options) int {
	if err := inside.Serve(context.Background(), options); err != nil {
		return 1
	}
	left := exec.Command(os.Args[0])
	left.Env, left.Stderr = []string{role + "=silent"}, os.Stderr
	left.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // else it ends with this process
	if err := left.Start(); err != nil {
		return 1
	}
	inside.Logger().Info("left", "process", left.Process.Pid)
	return 9
}

// The end of a child is seen whatever becomes of its stderr: closed long before, or open for long.
func TestTheEndDoesNotHangOnStderr(t *testing.T) {
	t.Run("closed before", func(t *testing.T) {
		c := start(t, "without a log", nil)
		if err := c.Ping(within(t)); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(c.Pid(), syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		awaitDone(t, c)
		if e := c.Exit(); e.Signal != syscall.SIGTERM || e.Err != nil {
			t.Errorf("exit = %+v; want SIGTERM", e)
		}
	})
	t.Run("open after", func(t *testing.T) {
		var out lines
		c := start(t, "leaving", slog.New(slog.NewTextHandler(&out, nil)))
		e := c.Stop(within(t))
		_, number, _ := strings.Cut(strings.Join(out.all(), "\n"), "process=")
		left, err := strconv.Atoi(strings.TrimSpace(number))
		if err != nil {
			t.Fatalf("%v: %q", err, out.all())
		}
		defer syscall.Kill(left, syscall.SIGKILL)
		if err := syscall.Kill(left, 0); err != nil {
			t.Errorf("the process that has its stderr: %v", err)
		}
		if e.Code != 9 || e.Class() != bulkheadv1.ExitClass_EXIT_CLASS_CRASH || e.Forced {
			t.Errorf("exit = %+v; want 9", e)
		}
	})
}

// awaitDone waits for the end of a child, but not for ever.
func awaitDone(t *testing.T, c *child.Child) {
	t.Helper()
	select {
	case <-c.Done():
	case <-time.After(20 * time.Second):
		t.Fatalf("the end of child %d is not seen", c.Pid())
	}
}

// A child costs one goroutine of this package, which begins none for it but this one.
func TestAChildCostsOneGoroutine(t *testing.T) {
	const many = 5
	for range many {
		start(t, "serve", nil)
	}
	var dump bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&dump, 2); err != nil {
		t.Fatal(err)
	}
	started := strings.Count(dump.String(), "\ncreated by bulkhead/internal/child.")
	if started != many+1 { // and the one that reaps all
		t.Errorf("this package has started %d goroutines that run, for %d children:\n%s", started, many, &dump)
	}
}

// No child has a descriptor of this process but its line, its connection, and the pipe of its stderr.
func TestAChildCostsThreeDescriptors(t *testing.T) {
	start(t, "serve", nil) // whatever this process has once
	before := openFiles(t, os.Getpid())
	const many = 5
	for range many {
		start(t, "serve", nil)
	}
	if now := openFiles(t, os.Getpid()); len(now) > len(before)+3*many {
		t.Errorf("%d children cost %d descriptors\nbefore: %q\nnow:    %q", many, len(now)-len(before), before, now)
	}
}
