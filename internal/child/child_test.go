package child_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"

	"bulkhead/internal/child"
	"bulkhead/internal/child/handshake"
	"bulkhead/internal/child/inside"
	"bulkhead/internal/child/spawner"
	"bulkhead/internal/fdpass"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// role is the environment entry that makes this test binary a child.
const role = "CHILD_TEST_ROLE"

func TestMain(m *testing.M) {
	switch r := os.Getenv(role); {
	case len(os.Args) == 2 && os.Args[1] == spawner.Argument:
		os.Exit(spawn(r))
	case r != "":
		os.Exit(behave(r))
	}
	goleak.VerifyTestMain(m)
}

// forever does not return. Without cgo the runtime ends a process whose goroutines all wait for nothing.
func forever() int {
	for {
		time.Sleep(time.Hour)
	}
}

// behave does what the child does in each role.
func behave(r string) int {
	log := inside.Logger()
	options := inside.Options{Register: func(*grpc.Server) {}}
	switch r {
	case "serve":
	case "echo": // says hello on the socket it is handed
		options.Socket = func(h fdpass.Handover, socket net.Conn) {
			fmt.Fprintf(socket, "socket %d", h.ID)
			socket.Close()
		}
	case "environment":
		for _, e := range os.Environ() {
			log.Info("env", "entry", e)
		}
	case "panic":
		panic("the child cannot go on")
	case "exit":
		return 7
	case "without a log": // closes its stderr, and serves
		unix.Close(unix.Stderr)
	case "leaving processes":
		return leavingProcesses(options)
	case "forking and ending":
		return forkAndEnd()
	case "parent of one that leaves processes":
		return leaversParent()
	case "parent that ends orphans":
		return orphansEnder()
	case "leaving folders":
		if err := leaveFolders(os.Getenv("PLUGIN_UNIX_SOCKET_DIR")); err != nil {
			log.Error(err.Error())
			return 1
		}
	case "leaving": // ends when told, and leaves its stderr to a child of its own
		return leaving(options)
	case "silent":
		forever()
	case "liar":
		fmt.Print(handshake.Line("/tmp/somewhere-else.sock"))
		forever()
	case "older": // and ends by itself, too
		fmt.Print(strings.Replace(handshake.Line("/tmp/somewhere-else.sock"), "|2|", "|1|", 1))
		return 0
	case "chatty":
		for i := range 10_000 {
			log.Warn("noise", "line", i)
		}
		fmt.Fprintln(os.Stderr, strings.Repeat("x", 1<<20))
	case "flooding", "printing": // writes without end, to its log or to stdout, once it is told
		go flood(r, told())
	case "with plugins":
		return withPlugins()
	case "hoarder": // takes memory until there is none
		go hoard()
	case "sandboxed":
		go die(unix.SIGSYS)
	case "crashing":
		go die(unix.SIGSEGV)
	case "signalled": // as by kill(1): Go's runtime explains it
		go unix.Kill(os.Getpid(), unix.SIGSEGV)
	case "boxed": // is at work on a frame, or was
		return boxed(options)
	case "orphan": // goes on without its parent, until SIGTERM
		return orphan(options)
	case "parent of an orphan":
		return orphansParent()
	case "upgraded":
		return upgrade()
	case "after the upgrade":
		return upgraded()
	case "parent of a spawner":
		s := child.NewSpawner(os.Args[0], nil, slog.New(slog.DiscardHandler))
		go s.Run(context.Background()) // ends with the process
		for s.Pid() == 0 {
			time.Sleep(time.Millisecond)
		}
		fmt.Println(s.Pid())
		forever()
	case "behind another":
		return behindAnother()
	case "listen":
		return listen(os.Getenv(socketsEntry))
	case "stubborn":
		_ = inside.Serve(context.Background(), options)
		forever()
	case "parent": // starts a child of its own, stops it with SIGSTOP and waits
		c, err := child.Start(context.Background(), config("serve", os.TempDir(), nil))
		if err != nil {
			fmt.Println(err)
			return 1
		}
		syscall.Kill(c.Pid(), syscall.SIGSTOP)
		fmt.Println(c.Pid())
		wait := make(chan os.Signal, 1)
		signal.Notify(wait, syscall.SIGTERM)
		<-wait
		return 0
	}
	if err := inside.Serve(context.Background(), options); err != nil {
		log.Error(err.Error())
		return 1
	}
	return 0
}

func config(r, dir string, log *slog.Logger) child.Config {
	return child.Config{
		Name: "test child", Path: os.Args[0], Env: []string{role + "=" + r},
		SocketDir: dir, Logger: log, DieWithParent: true,
		StartTimeout: 20 * time.Second, KillTimeout: 20 * time.Second,
	}
}

// start starts a child and checks after the test that nothing of it is left.
func start(t *testing.T, r string, log *slog.Logger) *child.Child {
	t.Helper()
	dir := t.TempDir()
	c, err := child.Start(context.Background(), config(r, dir, log))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Kill()
		gone(t, c.Pid(), dir)
	})
	return c
}

// Exits of children that end by themselves once they serve.
func TestTheCauseOfADeathIsNamed(t *testing.T) {
	for r, want := range map[string]struct {
		class bulkheadv1.ExitClass
		text  string
	}{
		"hoarder": {bulkheadv1.ExitClass_EXIT_CLASS_OOM, "ran out of memory: exit status 2: fatal error: "},
		"sandboxed": {bulkheadv1.ExitClass_EXIT_CLASS_SANDBOX,
			"did what its sandbox forbids: killed by signal 31 (SIGSYS)"},
		"crashing":  {bulkheadv1.ExitClass_EXIT_CLASS_CRASH, "killed by signal 11 (SIGSEGV)"},
		"signalled": {bulkheadv1.ExitClass_EXIT_CLASS_CRASH, "exit status 2: SIGSEGV: segmentation violation"},
	} {
		t.Run(r, func(t *testing.T) {
			if r == "hoarder" && raceDetector {
				t.Skip("the race detector has its own words for the end of the memory")
			}
			cfg := config(r, t.TempDir(), nil)
			cfg.MemoryMax = 512 << 20
			c, err := child.Start(context.Background(), cfg)
			if err == nil { // it may end before it serves, too
				<-c.Done()
				e := c.Kill()
				if e.Class() != want.class || !strings.HasPrefix(e.String(), want.text) {
					t.Errorf("exit = %v %q, %q; want %v %q", e.Class(), e, e.LastWords, want.class, want.text)
				}
			} else if !strings.Contains(err.Error(), want.text) {
				t.Errorf("Start = %v; want %q", err, want.text)
			}
		})
	}
}

// A child is killed for a reason, unless it ended before.
func TestKillForNamesTheReason(t *testing.T) {
	c := start(t, "serve", nil)
	e := c.KillFor(bulkheadv1.ExitClass_EXIT_CLASS_PROTOCOL, "it sent a second Hello")
	again := c.KillFor(bulkheadv1.ExitClass_EXIT_CLASS_HANG, "no answer")
	for _, e := range []child.Exit{e, again} {
		if e.Class() != bulkheadv1.ExitClass_EXIT_CLASS_PROTOCOL ||
			e.String() != "broke the protocol: it sent a second Hello; killed" {
			t.Errorf("exit = %v %q; want a breach of the protocol", e.Class(), e)
		}
	}
	c = start(t, "serve", nil)
	c.Stop(within(t))
	if e := c.KillFor(bulkheadv1.ExitClass_EXIT_CLASS_HANG,
		"no answer"); e.Class() != bulkheadv1.ExitClass_EXIT_CLASS_CLEAN {
		t.Errorf("exit of a child that had ended = %v %q; want a clean one", e.Class(), e)
	}
}

// gone fails the test if the process or a file of it is left.
func gone(t *testing.T, pid int, dir string) {
	t.Helper()
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d is still there: %v", pid, err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left in the socket folder: %v, %v", left, err)
	}
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestStopEndsAChildInOrder(t *testing.T) {
	c := start(t, "serve", nil)
	if err := c.Ping(within(t)); err != nil {
		t.Fatal(err)
	}
	e := c.Stop(within(t))
	if e.Class() != bulkheadv1.ExitClass_EXIT_CLASS_CLEAN || e.Pid != c.Pid() || e.MaxResident == 0 ||
		!e.Ended.After(e.Started) {
		t.Fatalf("exit = %+v; want a clean one with usage", e)
	}
}

func TestStoppedChildIsKilledAtTheDeadline(t *testing.T) {
	c := start(t, "serve", nil)
	if err := syscall.Kill(c.Pid(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := waitStopped(c.Pid()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := c.Ping(ctx); err == nil {
		t.Error("a stopped child answered a ping")
	}
	e := c.Stop(ctx)
	if e.Class() != bulkheadv1.ExitClass_EXIT_CLASS_KILLED || !e.Forced || e.Signal != syscall.SIGKILL {
		t.Fatalf("exit = %+v; want killed by us", e)
	}
}

func TestChildThatIgnoresItsParentIsKilled(t *testing.T) {
	c := start(t, "stubborn", nil)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if e := c.Stop(ctx); e.Class() != bulkheadv1.ExitClass_EXIT_CLASS_KILLED {
		t.Fatalf("exit = %+v; want killed by us", e)
	}
}

func TestDeathByAForeignSignalIsACrash(t *testing.T) {
	c := start(t, "serve", nil)
	if err := syscall.Kill(c.Pid(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-c.Done()
	e := c.Exit()
	if e.Class() != bulkheadv1.ExitClass_EXIT_CLASS_CRASH || e.String() != "killed by signal 9 (SIGKILL)" {
		t.Fatalf("exit = %q, %+v; want a crash by SIGKILL", e, e)
	}
}

func TestStartNamesTheCause(t *testing.T) {
	for r, want := range map[string]string{
		"panic": "panic: the child cannot go on",
		"exit":  "exit status 7",
		"liar":  "its socket must be in",
		"older": "it is of another version: with its parent it speaks version 1, and this program 2",
	} {
		t.Run(r, func(t *testing.T) {
			dir := t.TempDir()
			_, err := child.Start(context.Background(), config(r, dir, nil))
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Fatalf("Start = %v; want an error with %q", err, want)
			}
			if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Errorf("left in the socket folder: %v", left)
			}
		})
	}
}

func TestStartFailsWithoutAProgram(t *testing.T) {
	dir := t.TempDir()
	cfg := config("serve", dir, nil)
	cfg.Path = filepath.Join(dir, "missing")
	_, err := child.Start(context.Background(), cfg)
	if !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("Start = %v; want os.ErrNotExist", err)
	}
	cfg = config("serve", filepath.Join(dir, "missing"), nil)
	if _, err := child.Start(context.Background(), cfg); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("Start without a socket folder = %v; want os.ErrNotExist", err)
	}
}

func TestStartGivesUpOnASilentChild(t *testing.T) {
	dir := t.TempDir()
	cfg := config("silent", dir, nil)
	cfg.StartTimeout = 200 * time.Millisecond
	if _, err := child.Start(context.Background(), cfg); err == nil {
		t.Fatal("Start of a silent child succeeded")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := child.Start(ctx, config("serve", dir, nil)); !errors.Is(err, context.Canceled) {
		t.Fatalf("Start = %v; want context.Canceled", err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left in the socket folder: %v", left)
	}
}

func TestSocketIsHandedOver(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c := start(t, "echo", nil)
	if err := c.SendSocket(fdpass.Handover{ID: 42}, server.(*net.TCPConn), time.Now().Add(20*time.Second)); err != nil {
		t.Fatal(err)
	}
	server.Close()
	if got, err := io.ReadAll(client); err != nil || string(got) != "socket 42" {
		t.Fatalf("client read %q, %v; want socket 42", got, err)
	}
}

// lines is a log that can be read while it is written.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Split(strings.TrimSpace(l.buf.String()), "\n")
}

func TestEnvironmentIsTheChildsOwn(t *testing.T) {
	t.Setenv("CHILD_TEST_SECRET", "must not be inherited")
	var out lines
	c := start(t, "environment", slog.New(slog.NewTextHandler(&out, nil)))
	c.Stop(within(t))
	var names []string
	for _, l := range out.all() {
		_, entry, _ := strings.Cut(l, "entry=")
		name, _, _ := strings.Cut(strings.Trim(entry, `"`), "=")
		names = append(names, name)
	}
	slices.Sort(names)
	want := []string{"BULKHEAD_CHILD", role, "PLUGIN_MAX_PORT", "PLUGIN_MIN_PORT", "PLUGIN_PROTOCOL_VERSIONS",
		"PLUGIN_UNIX_SOCKET_DIR"}
	if raceDetector {
		want = slices.Insert(want, 2, "GORACE")
	}
	if !slices.Equal(names, want) {
		t.Errorf("environment of the child = %v; want %v", names, want)
	}
}

func TestLogOfAChildIsBounded(t *testing.T) {
	var out lines
	c := start(t, "chatty", slog.New(slog.NewTextHandler(&out, nil)))
	c.Stop(within(t))
	all := out.all()
	if len(all) > 1000 {
		t.Errorf("%d lines of 10 000 were passed on; want far fewer", len(all))
	}
	if !strings.Contains(strings.Join(all, "\n"), "lines left out") {
		t.Error("the log does not say that lines were left out")
	}
	for _, l := range all {
		if len(l) > 8192 {
			t.Errorf("a line of %d bytes was passed on", len(l))
		}
	}
}

// Children that log as much as each may do not log more together than all may.
func TestTheLogOfAllChildrenIsBounded(t *testing.T) {
	const floods = 15 // 100 lines at once each, and how many were left out
	var out lines
	log := slog.New(slog.NewTextHandler(&out, nil))
	all := child.NewLogs(log)
	var running []*child.Child
	for i := range floods {
		cfg := config("chatty", t.TempDir(), log.With("child", i))
		cfg.Logs = all
		c, err := child.Start(context.Background(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Kill() })
		running = append(running, c)
	}
	for _, c := range running {
		c.Stop(within(t))
	}
	all.Close()
	text := strings.Join(out.all(), "\n")
	if !strings.Contains(text, "children together log too much") {
		t.Errorf("%d lines, and nobody says that some were left out", len(out.all()))
	}
	for i := range floods {
		if !strings.Contains(text, fmt.Sprintf("child=%d", i)) {
			t.Errorf("child %d is not heard", i)
		}
	}
}

// A child stopped by a signal cannot notice that its parent is gone; the kernel
// must end it.
func TestChildDiesWithItsParentEvenWhenStopped(t *testing.T) {
	parent := exec.Command(os.Args[0])
	parent.Env = []string{role + "=parent", "TMPDIR=" + t.TempDir()}
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatalf("parent said %q", line)
	}
	fd, err := pidfdOpen(pid)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // killed, as asked
	if err := waitReadable(fd, 20*time.Second); err != nil {
		syscall.Kill(pid, syscall.SIGKILL)
		t.Fatalf("the stopped child %d outlived its parent: %v", pid, err)
	}
}
