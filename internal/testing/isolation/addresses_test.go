package isolation_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
)

// clientOf starts a client with a short load for supervisors at some addresses.
func clientOf(t *testing.T, name, runtime string, addresses ...string) *harness.Client {
	t.Helper()
	args := []string{"--runtime", runtime, "--consumers", "1", "--chunk-size", "4KiB", "--file-size", "8KiB",
		"--rate-bytes", "1MiB", "--progress-interval", "100ms"}
	for _, more := range addresses[1:] { // the flag may be given several times
		args = append(args, "--supervisor", more)
	}
	c, err := harness.StartClient(bin, filepath.Dir(newStateDir(t)), addresses[0], name, args...)
	expect.NoError(t, err)
	t.Cleanup(c.Kill)
	return c
}

// ends waits for a client that has delivered everything.
func ends(t *testing.T, c *harness.Client) {
	t.Helper()
	code, err := c.Wait(patience)
	expect.NoError(t, err)
	if code != 0 {
		t.Errorf("a client exited with %d:\n%s%s", code, &c.Stdout, &c.Stderr)
	}
}

// Of two supervisors one is killed, or stopped: every client that begins then finds the other,
// whichever it would have begun with.
func TestClientsFindTheSupervisorThatServes(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGSTOP} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			const clients = 4
			gone, there := start(t), start(t, "--clients", fmt.Sprint(clients))
			expect.NoError(t, gone.Signal(sig))
			if sig == syscall.SIGKILL {
				<-gone.Done() // it cannot but end
			}
			var all []*harness.Client
			for i := range clients {
				all = append(all, clientOf(t, fmt.Sprint("client-", i), "1s", gone.Addr, there.Addr+","+gone.Addr))
			}
			for _, c := range all {
				ends(t, c)
			}
			there.finish(exitComplete)
		})
	}
}

// A client whose supervisor is killed, with every handler, asks the other one, which has another run,
// and continues with its own when that is back: its run is whole.
func TestClientAwaitsTheSupervisorOfItsRun(t *testing.T) {
	t.Parallel()
	state, args := newStateDir(t), []string{"--clients", "1", "--handler-orphan-grace", "100ms"}
	own, other := startCommand(t, command(state, args...)), start(t)
	way, err := harness.NewPath(other.Addr)
	expect.NoError(t, err)
	t.Cleanup(way.Close)
	way.Refuse() // until the client has begun with its own
	c := clientOf(t, "client", "3s", own.Addr, way.Addr())
	expect.Eventually(t, func() error {
		sessions := own.status().GetSessions()
		if len(sessions) != 1 || sessions[0].GetDurableSeq() == 0 { // after a message it has seen its Welcome
			return fmt.Errorf("%v; want one session with a message", sessions)
		}
		return nil
	})
	expect.NoError(t, way.Admit())
	own.Kill()
	_, err = other.Await(patience, func(l harness.LogLine) bool {
		return strings.Contains(fmt.Sprint(l), "knows nothing of run")
	})
	expect.NoError(t, err)
	own = startCommand(t, command(state, append(args, "--listen", own.Addr)...))
	ends(t, c)
	if rep := own.finish(exitComplete); len(rep.Clients) != 1 {
		t.Errorf("%d clients; want 1", len(rep.Clients))
	}
}

// A supervisor that is full sends whoever comes to its peer, of which the client knows nothing
// itself; and tells whom it takes of it.
func TestFullSupervisorSendsClientsToItsPeer(t *testing.T) {
	t.Parallel()
	peer := start(t)
	full := start(t, "--overload-max-clients", "1", "--peers", peer.Addr)
	first := full.dial()
	welcome, err := first.Greet(rawclient.Hello("first"))
	expect.NoError(t, err)
	if got := welcome.GetSupervisors(); len(got) != 1 || got[0] != peer.Addr {
		t.Errorf("the welcome names %v; want the peer, %s", got, peer.Addr)
	}
	c := clientOf(t, "second", "1s", full.Addr)
	ends(t, c)
	if rep := peer.finish(exitComplete); len(rep.Clients) != 1 || rep.Clients[0].Name != "second" {
		t.Errorf("the peer has %d clients; want the one that was sent to it", len(rep.Clients))
	}
}
