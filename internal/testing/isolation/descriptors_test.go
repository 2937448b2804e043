package isolation_test

import (
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
)

// With few descriptors, connections are refused before they are all gone: sessions go
// on, and when others have left there is room again.
func TestFewDescriptorsAreNotFatal(t *testing.T) {
	t.Parallel()
	const limit = 128
	s := limited(t, limit, "--clients", "2", "--handler-pool", "2", "--log-level", "info",
		"--overload-startups", "1000:30:2000", "--handler-start-timeout", "5s", "--journal-segment-size", "64KiB")
	by := bystander(t, s, rawclient.Hello("bystander"))
	var idle []net.Conn
	defer func() {
		for _, c := range idle {
			c.Close()
		}
	}()
	for range 2 * limit {
		c, err := net.Dial("tcp", s.Addr)
		expect.NoError(t, err)
		_, _ = c.Write([]byte("P")) // begins to speak; a refused one may be gone
		idle = append(idle, c)
	}
	_, err := s.Await(patience, func(l harness.LogLine) bool {
		return l.Text("msg") == "connections are shed" && strings.Contains(l.Text("reason"), "descriptors")
	})
	expect.NoError(t, err)
	for range 50 { // with new segments of the journal
		by.goesOn(t)
	}
	if n := s.status().GetShedConnections(); n < limit {
		t.Errorf("%d connections were shed; want most", n)
	}
	for _, c := range idle {
		c.Close()
	}
	var late error
	expect.Eventually(t, func() error { // those that have a handler are let go of first
		late = closedVisit(t.Context(), s.Addr, "late")
		return late
	})
	sent := by.finish(t)
	rep := s.finish(exitComplete)
	journalled(t, s, map[*load]uint64{by: sent})
	unharmed(t, rep, by, sent)
}

// A pool that needs more descriptors than there are leaves those for the journal, and
// says so once each time that they do not start.
func TestHandlersLeaveDescriptorsForTheJournal(t *testing.T) {
	t.Parallel()
	const limit, reserve = 128, 32
	s := limited(t, limit, "--handler-pool", "64", "--log-level", "info")
	_, err := s.Await(patience, func(l harness.LogLine) bool {
		return l.Text("msg") == "a handler does not start" && strings.Contains(l.Text("error"), "RLIMIT_NOFILE")
	})
	expect.NoError(t, err)
	if files, err := harness.OpenFiles(s.Pid()); err != nil || len(files) > limit-reserve/2 {
		t.Errorf("%d descriptors are open, %v; want most of the reserve free", len(files), err)
	}
	expect.NoError(t, s.Signal(syscall.SIGTERM))
	s.finish(exitPartial)
	// The descriptor of status, or of a connection, may have been free for one more.
	again := strings.Count(s.Log(), "msg:handlers start again")
	if n := strings.Count(s.Log(), "msg:a handler does not start"); n > again+1 {
		t.Errorf(
			"that handlers do not start is in the log %d times, and %d times that they do again; want once each time",
			n, again)
	}
}

// limited starts a supervisor with a limit of descriptors.
func limited(t *testing.T, limit int, args ...string) *running {
	t.Helper()
	cmd := command(newStateDir(t), args...)
	cmd.Path, cmd.Args = "/bin/sh", append([]string{"sh", "-c", fmt.Sprintf(`ulimit -n %d && exec "$@"`, limit), "sh"},
		append([]string{cmd.Path}, cmd.Args[1:]...)...)
	return startCommand(t, cmd)
}

// When accept fails, that is logged once, and once when it works again; sessions go
// on, and who waited is served.
func TestAcceptThatFailsIsTriedAgain(t *testing.T) {
	t.Parallel()
	s := start(t, "--clients", "2", "--handler-pool", "2")
	by := bystander(t, s, rawclient.Hello("bystander"))
	s.settled(1, 2)
	var had unix.Rlimit
	expect.NoError(t, unix.Prlimit(s.Pid(), unix.RLIMIT_NOFILE, nil, &had))
	expect.NoError(t, unix.Prlimit(s.Pid(), unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 4, Max: had.Max}, nil))
	waiting := make(chan error, 1)
	go func() { waiting <- closedVisit(t.Context(), s.Addr, "waiting") }() // ends when it is served
	failed, err := s.Await(patience,
		func(l harness.LogLine) bool { return l.Text("msg") == "connections cannot be accepted; trying again" })
	expect.NoError(t, err)
	if !strings.Contains(failed.Text("error"), "too many open files") {
		t.Errorf("the log says %v; want the cause", failed)
	}
	for range 5 {
		by.goesOn(t)
	}
	select {
	case err := <-waiting:
		t.Errorf("the client did not wait: %v", err)
	default:
	}
	expect.NoError(t, unix.Prlimit(s.Pid(), unix.RLIMIT_NOFILE, &had, nil))
	expect.NoError(t, <-waiting)
	sent := by.finish(t)
	rep := s.finish(exitComplete)
	unharmed(t, rep, by, sent)
	for _, msg := range []string{"connections cannot be accepted; trying again", "connections are accepted again"} {
		if n := strings.Count(s.Log(), "msg:"+msg+" "); n != 1 {
			t.Errorf("%q is in the log %d times; want once", msg, n)
		}
	}
}
