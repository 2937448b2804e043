package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"bulkhead/handler"
	"bulkhead/internal/child"
	"bulkhead/internal/fdpass"
	walls "bulkhead/internal/sandbox"
)

// patience is how long a test waits for what must happen.
const patience = 60 * time.Second

// memoryMax is what an intruder may have.
const memoryMax = 512 << 20

// Environment entries that make this test binary another program.
const (
	attemptEntry = "SANDBOX_TEST_ATTEMPT" // a handler that tries something
	targetsEntry = "SANDBOX_TEST_TARGETS"
	denyEntry    = "SANDBOX_TEST_DENY"    // a program that is denied some system calls
	programEntry = "SANDBOX_TEST_PROGRAM" // where the test binary is that is not built with cgo
)

// How an intruder ends.
const (
	exitDone    = 40 // it could
	exitRefused = 41
	exitBroken  = 42 // it could not try
)

func TestMain(m *testing.M) {
	if name := os.Getenv(attemptEntry); name != "" {
		os.Exit(intrude(name))
	}
	if os.Getenv(denyEntry) != "" {
		os.Exit(deny())
	}
	os.Exit(m.Run())
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// intrude is a handler, as real as any, until it is told to try.
func intrude(name string) int {
	var a targets
	if err := json.Unmarshal([]byte(os.Getenv(targetsEntry)), &a); err != nil {
		return exitBroken
	}
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGUSR1)
	ended := make(chan error, 1)
	go func() { ended <- handler.Run(context.Background()) }() // ends with the process
	select {
	case err := <-ended:
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return exitBroken
		}
		return 0
	case <-told:
	}
	for _, at := range attempts {
		if at.name == name {
			if err := at.try(a); err != nil {
				return exitRefused
			}
			return exitDone
		}
	}
	return exitBroken
}

// built builds this test binary without cgo, whose threads Go would not know, where everybody may
// execute it.
func built(t *testing.T) string {
	t.Helper()
	if path := os.Getenv(programEntry); path != "" {
		return path
	}
	dir, err := os.MkdirTemp("", "bulkhead-sandbox-")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o755))
	path := filepath.Join(dir, "intruder")
	build := exec.Command("go", "test", "-c", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// intruder starts a handler that is locked in as the order says, with a client's socket.
func intruder(t *testing.T, program string, o walls.Order, attempt string, a targets) *child.Child {
	t.Helper()
	text, err := json.Marshal(a)
	must(t, err)
	sockets, err := os.MkdirTemp("/tmp", "bh") // the path of a socket is short, unix(7)
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(sockets) })
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := child.Start(ctx, child.Config{
		Name: "handler", Path: program, Dir: "/", SocketDir: sockets, BoxBytes: 1 << 16,
		Env: []string{attemptEntry + "=" + attempt, targetsEntry + "=" + string(text),
			walls.EnvName + "=" + o.String(), "GOMAXPROCS=1"},
		BoundsItself: true, Apart: o.Layers.Has(walls.Namespaces), StartTimeout: patience, KillTimeout: patience,
	})
	must(t, err)
	t.Cleanup(func() { c.Kill() })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	near, err := net.Dial("tcp", l.Addr().String())
	must(t, err)
	t.Cleanup(func() { near.Close() })
	far, err := l.Accept()
	must(t, err)
	defer far.Close()
	must(t, c.SendSocket(fdpass.Handover{ID: 1}, far.(*net.TCPConn), time.Now().Add(patience)))
	return c
}

// outcome lets an intruder try, and returns nil if it could do what it must not.
func outcome(t *testing.T, c *child.Child) error {
	t.Helper()
	must(t, c.Look(func(pid int) error { return unix.Kill(pid, unix.SIGUSR1) }))
	select {
	case <-c.Done():
	case <-time.After(patience):
		t.Fatal("the intruder does not end")
	}
	switch e := c.Exit(); {
	case e.Signal == 0 && e.Code == exitBroken:
		t.Fatalf("the intruder could not try: %v", e.LastWords)
		return nil
	case e.Signal == 0 && (e.Code == exitDone || e.Code == 0): // 0 is another program's
		return nil
	default:
		return errors.New(e.String())
	}
}
