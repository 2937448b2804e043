package child_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"bulkhead/internal/child"
	"bulkhead/internal/child/handshake"
	"bulkhead/internal/child/inside"
)

const (
	// escapeEnv is the environment of a process that a child leaves.
	escapeEnv = "CHILD_TEST_ESCAPE"
	// withOthers has a parent have children of before.
	withOthers = "CHILD_TEST_OTHERS"
)

// left is what a child has left behind: a process in its group, one that is not, by which way ever,
// and one of those that has the environment of a child.
type left struct{ Member, Escaped, Marked int }

// leavingProcesses acts as a child that starts processes, and says which.
func leavingProcesses(options inside.Options) int {
	member := exec.Command(os.Args[0])
	member.Env = append(os.Environ(), role+"=silent")
	if err := member.Start(); err != nil {
		return 1
	}
	bare, err := escape(role + "=silent")
	if err != nil {
		return 1
	}
	marked, err := escape(role+"=silent", handshake.CookieKey+"="+handshake.CookieValue)
	if err != nil {
		return 1
	}
	said, _ := json.Marshal(left{member.Process.Pid, bare, marked})
	inside.Logger().Info("left", "processes", string(said))
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute) // if the test is killed
	defer cancel()
	options.Orphaned = func() {}
	if inside.Serve(ctx, options) != nil {
		return 1
	}
	return 0
}

// escape starts a process in a session of its own, by another one that ends, and returns its pid.
func escape(env ...string) (int, error) {
	between := exec.Command(os.Args[0])
	between.Env = []string{role + "=forking and ending", escapeEnv + "=" + strings.Join(env, ",")}
	between.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := between.Output()
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(out)))
}

func forkAndEnd() int {
	escaped := exec.Command(os.Args[0])
	escaped.Env = strings.Split(os.Getenv(escapeEnv), ",")
	escaped.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := escaped.Start(); err != nil {
		return 1
	}
	fmt.Println(escaped.Process.Pid)
	return 0
}

// heard is a log in which a child says what it has left.
type heard struct{ found chan left }

func (h heard) Write(line []byte) (int, error) {
	var entry struct{ Processes string }
	var what left
	if json.Unmarshal(line, &entry) == nil && json.Unmarshal([]byte(entry.Processes), &what) == nil {
		h.found <- what
	}
	return len(line), nil
}

// awaitEnd waits until a process has ended, and with reaped until it was reaped.
func awaitEnd(t *testing.T, pid int, reaped bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		_, rest, _ := bytes.Cut(status, []byte(") "))
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ESRCH):
			return
		case !reaped && bytes.HasPrefix(rest, []byte("Z")):
			return
		case time.Now().After(deadline):
			t.Errorf("process %d is still there: %.60s", pid, status)
			_ = syscall.Kill(pid, syscall.SIGKILL)
			return
		}
	}
}

// What a child has started and that is still in its process group ends with it, whoever its parent is.
func TestTheGroupEndsWithTheChild(t *testing.T) {
	h := heard{make(chan left, 1)}
	c := start(t, "leaving processes", slog.New(slog.NewJSONHandler(h, nil)))
	what := <-h.found
	defer syscall.Kill(what.Escaped, syscall.SIGKILL)
	defer syscall.Kill(what.Marked, syscall.SIGKILL)
	if err := syscall.Kill(c.Pid(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-c.Done()
	awaitEnd(t, what.Member, false)
	if err := syscall.Kill(what.Escaped, 0); err != nil {
		t.Errorf("a process of another group: %v", err)
	}
}

// adoptable is a child of a parent that was killed, and what it has left.
type adoptable struct {
	Left   left
	Record child.Record
}

// leaversParent starts a child that leaves processes, says which and waits to be killed.
func leaversParent() int {
	h := heard{make(chan left, 1)}
	cfg := config("leaving processes", os.Getenv(socketsEntry), slog.New(slog.NewJSONHandler(h, nil)))
	cfg.DieWithParent = false
	c, err := child.Start(context.Background(), cfg)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	rec, err := c.Record()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	_ = json.NewEncoder(os.Stdout).Encode(adoptable{<-h.found, rec})
	return forever()
}

// The group of a child ends with it also where another process has started both: when the child ends
// once it is adopted, and when it has ended before.
func TestTheGroupEndsWithAChildOfAnother(t *testing.T) {
	for _, before := range []bool{false, true} {
		t.Run(fmt.Sprintf("ended before %t", before), func(t *testing.T) {
			dir := t.TempDir()
			parent := exec.Command(os.Args[0])
			parent.Env = []string{role + "=parent of one that leaves processes", socketsEntry + "=" + dir}
			parent.Stderr = os.Stderr
			out, err := parent.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := parent.Start(); err != nil {
				t.Fatal(err)
			}
			var said adoptable
			err = json.NewDecoder(bufio.NewReader(out)).Decode(&said)
			_ = parent.Process.Kill()
			_ = parent.Wait() // killed, as asked
			if err != nil {
				t.Fatal(err)
			}
			defer syscall.Kill(said.Left.Escaped, syscall.SIGKILL)
			defer syscall.Kill(said.Left.Marked, syscall.SIGKILL)
			end := func() {
				if err := syscall.Kill(said.Record.Pid, syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
				awaitEnd(t, said.Record.Pid, true)
			}
			if before {
				end()
			}
			c, err := child.Adopt(within(t), config("leaving processes", dir, nil), said.Record, nil)
			if before != errors.Is(err, child.ErrGone) {
				t.Fatalf("Adopt: %v", err)
			}
			if !before {
				end()
				<-c.Done()
				c.Kill()
			}
			awaitEnd(t, said.Left.Member, false)
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("left in the folder for sockets: %v, %v", left, err)
			}
		})
	}
}

// ender is what a parent that ends orphans says.
type ender struct {
	Left          left
	Child         int
	Aside, Before int
	// Leaks are descriptors and goroutines that are there in the end and were not in the beginning.
	Leaks int
}

// orphansEnder acts as a parent with a child that leaves processes, until it is told to end.
func orphansEnder() int {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM)
	idle := func() *exec.Cmd {
		cmd := exec.Command(os.Args[0])
		cmd.Env = []string{role + "=silent"}
		return cmd
	}
	var says ender
	before, aside := idle(), idle()
	if os.Getenv(withOthers) != "" {
		if err := before.Start(); err != nil {
			return 1
		}
		defer before.Process.Kill()
		says.Before = before.Process.Pid
	}
	count := func() int {
		open, _ := os.ReadDir("/proc/self/fd")
		return len(open) + runtime.NumGoroutine()
	}
	had := count()
	stop := child.EndOrphans(slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err := child.Aside(aside); err != nil {
		return 1
	}
	says.Aside = aside.Process.Pid
	h := heard{make(chan left, 1)}
	c, err := child.Start(context.Background(), config("leaving processes", os.TempDir(),
		slog.New(slog.NewJSONHandler(h, nil))))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	says.Child, says.Left = c.Pid(), <-h.found
	_ = json.NewEncoder(os.Stdout).Encode(says)
	<-told
	c.Kill()
	stop()
	_ = aside.Process.Kill()
	_ = aside.Wait() // killed, as asked
	for deadline := time.Now().Add(10 * time.Second); count() > had && time.Now().Before(deadline); {
		runtime.Gosched()
	}
	says.Leaks = count() - had
	_ = json.NewEncoder(os.Stdout).Encode(says)
	return 0
}

// What a child has left that is in no group of its is ended and reaped once it is gone: at once where
// the child dies, and at the latest as its parent ends. What its parent has started otherwise stays.
func TestWhatEscapesEndsWithTheChild(t *testing.T) {
	for _, tt := range []struct {
		name        string
		env         []string
		bare, child bool // whether what has not the environment of a child is ended; whether the child dies first
	}{
		{"the child dies", nil, true, true},
		{"the parent ends", nil, true, false},
		{"beside children of others", []string{withOthers + "=1"}, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			parent := exec.Command(os.Args[0])
			parent.Env = append(tt.env, role+"=parent that ends orphans", "TMPDIR="+t.TempDir())
			parent.Stderr = os.Stderr
			out, err := parent.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := parent.Start(); err != nil {
				t.Fatal(err)
			}
			defer parent.Process.Kill()
			answers := json.NewDecoder(bufio.NewReader(out))
			var said ender
			if err := answers.Decode(&said); err != nil {
				t.Fatal(err)
			}
			defer syscall.Kill(said.Left.Escaped, syscall.SIGKILL)
			end := func() {
				if err := parent.Process.Signal(syscall.SIGTERM); err != nil {
					t.Error(err)
				}
				if err := answers.Decode(&said); err != nil {
					t.Error(err)
				}
			}
			if !tt.child {
				end()
			} else if err := syscall.Kill(said.Child, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			awaitEnd(t, said.Left.Member, true)
			awaitEnd(t, said.Left.Marked, true)
			if tt.bare {
				awaitEnd(t, said.Left.Escaped, true)
			} else if err := syscall.Kill(said.Left.Escaped, 0); err != nil {
				t.Errorf("what may be another's: %v", err)
			}
			if tt.child {
				for _, pid := range []int{said.Aside, said.Before} {
					if err := syscall.Kill(pid, 0); err != nil {
						t.Errorf("process %d, which is no child of the package: %v", pid, err)
					}
				}
				end()
			}
			if said.Leaks > 0 {
				t.Errorf("%d descriptors and goroutines are left", said.Leaks)
			}
			if err := parent.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
}
