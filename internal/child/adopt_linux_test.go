package child_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bulkhead/internal/blackbox"
	"bulkhead/internal/child"
	"bulkhead/internal/child/inside"
	"bulkhead/internal/fdpass"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Environment entries of the roles below.
const (
	socketsEntry = "CHILD_TEST_SOCKETS" // where a parent makes its child's socket
	recordEntry  = "CHILD_TEST_RECORD"
	heldEntry    = "CHILD_TEST_HELD"
)

// noise is more than a pipe holds.
const noise = 2000

// orphan serves until SIGTERM, with or without a parent. It logs a lot as it loses its
// parent and as it ends.
func orphan(options inside.Options) int {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute) // if the test is killed
	defer cancel()
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM)
	defer stop()
	log := inside.Logger()
	shout := func(what string) {
		for i := range noise {
			log.Warn(what, "line", i)
		}
	}
	options.Orphaned = func() { shout("the parent is gone") }
	options.Socket = func(h fdpass.Handover, socket net.Conn) {
		fmt.Fprintf(socket, "socket %d", h.ID)
		socket.Close()
		log.Info("took a socket", "id", h.ID)
	}
	if inside.Serve(ctx, options) != nil {
		return 1
	}
	shout("the end")
	return 0
}

// orphansParent starts an orphan, says its record and waits to be killed.
func orphansParent() int {
	c, err := child.Start(context.Background(), config("orphan", os.Getenv(socketsEntry), nil))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	rec, err := c.Record()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	_ = json.NewEncoder(os.Stdout).Encode(rec)
	return forever()
}

// leave leaves an orphan behind and returns its record. before is called before the
// parent, whose pid it is told, is killed.
func leave(t *testing.T, dir string, before ...func(parent int, rec child.Record)) child.Record {
	t.Helper()
	parent := exec.Command(os.Args[0])
	parent.Env = []string{role + "=parent of an orphan", socketsEntry + "=" + dir}
	parent.Stderr = os.Stderr
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	var rec child.Record
	err = json.NewDecoder(bufio.NewReader(out)).Decode(&rec)
	for _, fn := range before {
		fn(parent.Process.Pid, rec)
	}
	_ = parent.Process.Kill()
	_ = parent.Wait() // killed, as asked
	if err != nil {
		t.Fatal(err)
	}
	fd, err := pidfdOpen(rec.Pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		defer syscall.Close(fd)
		if err := waitReadable(fd, 20*time.Second); err != nil {
			t.Errorf("process %d is left: %v", rec.Pid, err)
			syscall.Kill(rec.Pid, syscall.SIGKILL)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("left in the socket folder: %v, %v", left, err)
		}
	})
	return rec
}

// end ends a process that is no child of ours and waits until it has been reaped.
func end(t *testing.T, pid int) {
	t.Helper()
	fd, err := pidfdOpen(pid)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	syscall.Kill(pid, syscall.SIGKILL)
	if err := waitReaped(fd, 20*time.Second); err != nil {
		t.Fatal(err)
	}
}

func TestAnOrphanIsTakenUp(t *testing.T) {
	dir := t.TempDir()
	rec := leave(t, dir)
	c, err := child.Adopt(context.Background(), config("", dir, nil), rec, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Ping(within(t)); err != nil {
		t.Error(err)
	}
	if again, err := c.Record(); err != nil || again != rec {
		t.Errorf("Record = %+v, %v; want the same again, %+v", again, err, rec)
	}
	err = c.SendSocket(fdpass.Handover{ID: 1}, nil, time.Now())
	if err == nil || !strings.Contains(err.Error(), "without its line") {
		t.Errorf("SendSocket = %v; want that there is no line", err)
	}
	if c.Pid() != rec.Pid || !c.Exit().Alive {
		t.Errorf("pid %d, %+v; want %d, alive", c.Pid(), c.Exit(), rec.Pid)
	}
	e := c.Stop(within(t))
	if e.Class() != bulkheadv1.ExitClass_EXIT_CLASS_CLEAN || e.Pid != rec.Pid || e.Unknown ||
		!e.Ended.After(e.Started) {
		t.Errorf("exit = %v, %+v; want a clean one", e, e)
	}
}

// The log of a child whose parent was stopped: the pipe is full, and nobody reads.
func TestALogThatNobodyReadsBlocksNoChild(t *testing.T) {
	dir := t.TempDir()
	leave(t, dir, func(parent int, rec child.Record) {
		syscall.Kill(parent, syscall.SIGSTOP)
		awaitState(t, parent, 'T')
		fd, err := pidfdOpen(rec.Pid)
		if err != nil {
			t.Fatal(err)
		}
		defer syscall.Close(fd)
		syscall.Kill(rec.Pid, syscall.SIGTERM)
		if err := waitReadable(fd, 20*time.Second); err != nil {
			t.Errorf("the child does not end while its parent is stopped: %v", err)
			syscall.Kill(rec.Pid, syscall.SIGKILL)
		}
		os.RemoveAll(rec.SocketDir) // the parent would have
	})
}

// boxed keeps a frame in its box.
func boxed(options inside.Options) int {
	box, err := blackbox.Open(blackbox.ChildFD)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	box.Begin([]byte("the frame at work"))
	return orphan(options)
}

// The box of a child is read while it lives, and after any death; also by somebody
// who takes the child up.
func TestABoxOutlivesItsChild(t *testing.T) {
	wantBox := func(c *child.Child, want string) {
		t.Helper()
		if frame, atWork := c.Box(); !atWork || string(frame) != want {
			t.Errorf("box = %q, at work %v; want %q", frame, atWork, want)
		}
	}
	dir := t.TempDir()
	cfg := config("boxed", dir, nil)
	cfg.BoxBytes = 9
	c, err := child.Start(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	wantBox(c, "the frame")
	rec, err := c.Record()
	if err != nil {
		t.Fatal(err)
	}
	held, err := c.Keep()
	if err != nil {
		t.Fatal(err)
	}
	held.Close()
	cfg.BoxBytes = 3 // somebody who has less room for it
	other, err := child.Adopt(context.Background(), cfg, rec, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantBox(other, "the")
	c.Kill()
	<-other.Done()
	other.Kill()
	wantBox(c, "the frame")
	wantBox(other, "the")
	gone(t, rec.Pid, dir)

	c = start(t, "serve", nil)
	if frame, atWork := c.Box(); atWork {
		t.Errorf("box of a child that has none = %q", frame)
	}
}

func TestHowAnOrphanEndsIsKnown(t *testing.T) {
	for name, tt := range map[string]struct {
		end   func(*child.Child)
		class bulkheadv1.ExitClass
		text  string
	}{
		"a foreign signal": {func(c *child.Child) { syscall.Kill(c.Pid(), syscall.SIGKILL); <-c.Done() },
			bulkheadv1.ExitClass_EXIT_CLASS_CRASH, "killed by signal 9 (SIGKILL)"},
		"a kill": {func(c *child.Child) { c.Kill() },
			bulkheadv1.ExitClass_EXIT_CLASS_KILLED, "did not end in time and was killed"},
		"a kill for a hang": {func(c *child.Child) {
			c.KillFor(bulkheadv1.ExitClass_EXIT_CLASS_HANG,
				"no answer for 5s")
		},
			bulkheadv1.ExitClass_EXIT_CLASS_HANG, "hung: no answer for 5s; killed"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c, err := child.Adopt(context.Background(), config("", dir, nil), leave(t, dir), nil)
			if err != nil {
				t.Fatal(err)
			}
			tt.end(c)
			c.Kill() // waits until all is clean
			if e := c.Exit(); e.Class() != tt.class || e.String() != tt.text {
				t.Errorf("exit = %v %q, %+v; want %v %q", e.Class(), e, e, tt.class, tt.text)
			}
		})
	}
}

func TestAdoptOfAProcessThatIsGone(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func(*testing.T, *child.Record)
		alive bool
	}{
		"ended":           {func(t *testing.T, r *child.Record) { end(t, r.Pid) }, false},
		"another start":   {func(_ *testing.T, r *child.Record) { r.StartTicks++ }, true},
		"another boot":    {func(_ *testing.T, r *child.Record) { r.BootID = "another" }, true},
		"no process ever": {func(_ *testing.T, r *child.Record) { r.Pid = 1<<22 + 1 }, true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			rec := leave(t, dir)
			right := rec
			tt.spoil(t, &rec)
			if _, err := child.Adopt(within(t), config("", dir, nil), rec, nil); !errors.Is(err, child.ErrGone) {
				t.Errorf("Adopt = %v; want ErrGone", err)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("left in the socket folder: %v, %v", left, err)
			}
			if !tt.alive {
				return
			}
			if err := syscall.Kill(right.Pid, syscall.SIGTERM); err != nil {
				t.Errorf("the process that has the number was harmed: %v", err)
			}
		})
	}
}

func TestAdoptRefusesARecordOfSomethingElse(t *testing.T) {
	dir := t.TempDir()
	rec := leave(t, dir)
	for name, spoil := range map[string]func(*child.Record){
		"empty":         func(r *child.Record) { *r = child.Record{} },
		"init":          func(r *child.Record) { r.Pid = 1 },
		"every process": func(r *child.Record) { r.Pid = -1 },
		"this process":  func(r *child.Record) { r.Pid = os.Getpid() },
		"a folder elsewhere": func(r *child.Record) {
			r.SocketDir, r.Address = "/tmp/plugin-dir1",
				"/tmp/plugin-dir1/s"
		},
		"the folder of all":    func(r *child.Record) { r.SocketDir, r.Address = dir, filepath.Join(dir, "s") },
		"a folder by a detour": func(r *child.Record) { r.SocketDir = dir + "/plugin-dir1/../../x" },
		"a socket elsewhere":   func(r *child.Record) { r.Address = "/run/systemd/notify" },
		"a socket below":       func(r *child.Record) { r.Address = filepath.Join(r.SocketDir, "a", "b") },
		"an abstract socket":   func(r *child.Record) { r.Address = "@plugin" },
		"a folder of somebody else": func(r *child.Record) {
			r.SocketDir = filepath.Join(dir,
				"state")
			r.Address = r.SocketDir + "/s"
		},
		"a number out of all bounds": func(r *child.Record) { r.Pid = 1 << 40 },
	} {
		bad := rec
		spoil(&bad)
		if _, err := child.Adopt(within(t), config("", dir, nil), bad, nil); !errors.Is(err, os.ErrInvalid) {
			t.Errorf("%s: Adopt = %v; want os.ErrInvalid", name, err)
		}
	}
	c, err := child.Adopt(context.Background(), config("", dir, nil), rec, nil)
	if err != nil {
		t.Fatalf("after all that the right record is refused: %v", err)
	}
	c.Kill()
}

// Somebody else listens where the child did.
func TestAdoptRefusesAnotherListener(t *testing.T) {
	dir := t.TempDir()
	rec := leave(t, dir)
	if err := os.Remove(rec.Address); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", rec.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = child.Adopt(context.Background(), config("", dir, nil), rec, nil)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("process %d listens on", os.Getpid())) {
		t.Fatalf("Adopt = %v; want that another process listens", err)
	}
	wantKilled(t, err)
}

// wantKilled checks that a child which could not be taken up was killed.
func wantKilled(t *testing.T, err error) {
	t.Helper()
	var failed *child.AdoptError
	if !errors.As(err, &failed) {
		t.Fatalf("Adopt = %v; want an AdoptError", err)
	}
	if e := failed.Child.Exit(); e.Class() != bulkheadv1.ExitClass_EXIT_CLASS_KILLED {
		t.Errorf("exit = %v; want killed by us", e)
	}
}

func TestAdoptOfAStoppedChildIsBounded(t *testing.T) {
	dir := t.TempDir()
	rec := leave(t, dir)
	if err := syscall.Kill(rec.Pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	awaitState(t, rec.Pid, 'T')
	cfg := config("", dir, nil)
	cfg.StartTimeout = 200 * time.Millisecond
	_, err := child.Adopt(context.Background(), cfg, rec, nil)
	if err == nil || !strings.Contains(err.Error(), "did not serve in ") ||
		!strings.Contains(err.Error(), "(limit 200ms)") {
		t.Fatalf("Adopt = %v; want that it does not serve", err)
	}
	wantKilled(t, err)
}

// awaitState waits until a process that is no child of ours is in a state of
// proc_pid_stat(5).
func awaitState(t *testing.T, pid int, want byte) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			t.Fatal(err)
		}
		if _, rest, ok := strings.Cut(string(data), ") "); ok && rest[0] == want {
			return
		}
	}
	t.Fatalf("process %d does not get into state %c", pid, want)
}

// upgrade starts a child and replaces its own program.
func upgrade() int {
	c, err := child.Start(context.Background(), config("orphan", os.Getenv(socketsEntry), nil))
	if err != nil {
		fmt.Println(err)
		return 1
	}
	rec, err := c.Record()
	held, err2 := c.Keep()
	if err = errors.Join(err, err2); err != nil {
		fmt.Println(err)
		return 1
	}
	recJSON, _ := json.Marshal(rec)
	heldJSON, _ := json.Marshal(held)
	err = syscall.Exec(os.Args[0], os.Args, []string{
		role + "=after the upgrade", socketsEntry + "=" + os.Getenv(socketsEntry),
		recordEntry + "=" + string(recJSON), heldEntry + "=" + string(heldJSON),
	})
	fmt.Println(err)
	return 1
}

// upgraded takes the child up again, uses it and says how it ended.
func upgraded() int {
	var rec child.Record
	var held child.Held
	err := errors.Join(json.Unmarshal([]byte(os.Getenv(recordEntry)), &rec),
		json.Unmarshal([]byte(os.Getenv(heldEntry)), &held))
	if err != nil {
		fmt.Println(err)
		return 1
	}
	before := pipes()
	log := slog.New(slog.NewTextHandler(os.Stdout, nil))
	c, err := child.Adopt(context.Background(), config("", os.Getenv(socketsEntry), log), rec, &held)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	ours, theirs, err := loopback()
	if err != nil {
		fmt.Println(err)
		return 1
	}
	deadline := time.Now().Add(20 * time.Second)
	err = c.SendSocket(fdpass.Handover{ID: 42}, theirs, deadline)
	theirs.Close()
	said, err2 := io.ReadAll(ours)
	ours.Close()
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	e := c.Stop(ctx)
	fmt.Printf("socket: %q %v\n", said, errors.Join(err, err2))
	fmt.Printf("exit: %v, rusage %v, unknown %v\n", e, e.MaxResident > 0, e.Unknown)
	left := 2 + pipes() - before
	for left > 0 && time.Now().Before(deadline) { // the last is closed when the exit is known already
		time.Sleep(time.Millisecond)
		left = 2 + pipes() - before
	}
	fmt.Printf("of its pipes and sockets are left: %d\n", left)
	return 0
}

// pipes returns how many pipes and sockets this process has open.
func pipes() int {
	n := 0
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		to, _ := os.Readlink("/proc/self/fd/" + e.Name())
		if strings.HasPrefix(to, "pipe:") || strings.HasPrefix(to, "socket:") {
			n++
		}
	}
	return n
}

// loopback returns a TCP connection.
func loopback() (client net.Conn, server *net.TCPConn, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		return nil, nil, err
	}
	accepted, err := l.Accept()
	if err != nil {
		return nil, nil, err
	}
	return client, accepted.(*net.TCPConn), nil
}

// A process that replaces its program keeps its child: line, stderr and exit status.
func TestAChildSurvivesItsParentsUpgrade(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = []string{role + "=upgraded", socketsEntry + "=" + dir}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{
		`socket: "socket 42" <nil>`, "took a socket", "exit: exit status 0, rusage true, unknown false",
		"of its pipes and sockets are left: 0",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the process said %q; want %q in it", out, want)
		}
	}
	if strings.Contains(string(out), "the parent is gone") {
		t.Error("the child was told that its parent is gone")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left in the socket folder: %v, %v", left, err)
	}
}

// The number of a child that has ended may be another's.
func TestNoRecordOfAChildThatHasEnded(t *testing.T) {
	c := start(t, "serve", nil)
	if rec, err := c.Record(); err != nil || rec.StartTicks == 0 || rec.BootID == "" {
		t.Errorf("Record = %+v, %v; want which process it is", rec, err)
	}
	c.Kill()
	if rec, err := c.Record(); !errors.Is(err, child.ErrGone) {
		t.Errorf("Record = %+v, %v; want ErrGone", rec, err)
	}
}
