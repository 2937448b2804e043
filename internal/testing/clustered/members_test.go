package clustered

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bulkhead/internal/testing/engine"
	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/saved"
)

// free returns an address where nobody listens.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// shared returns how supervisors of one run for so many clients are started.
func shared(t *testing.T, c *engine.Cluster, clients int) func(state, listen string) *harness.Supervisor {
	config := settings(t, c, "run: shared")
	return func(state, listen string) *harness.Supervisor {
		return supervisor(t, state, "--config", config, "--clients", fmt.Sprint(clients), "--listen", listen,
			"--handler-orphan-grace", "500ms")
	}
}

// sums returns the sum of each file of a journal, by name.
func sums(t *testing.T, s *harness.Supervisor) string {
	t.Helper()
	var list []string
	dir := filepath.Join(s.RunDir, "journal")
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, fmt.Sprintf("%s %x", e.Name(), sha256.Sum256(data)))
	}
	return strings.Join(list, "\n")
}

// showsBoth returns why the status of one of two supervisors does not show both, with so many sessions in all.
func showsBoth(s *harness.Supervisor, sessions int) error {
	out, err := exec.Command(filepath.Join(bin, "bulkhead"), "supervisor", "status", "--json", "--state-dir",
		s.StateDir).Output()
	if err != nil {
		return err
	}
	var status struct {
		Supervisors []struct {
			Listen string `json:"listen"`
			Open   int    `json:"open_sessions"`
		} `json:"supervisors"`
		All struct {
			Counts []struct {
				Sessions int `json:"sessions"`
			} `json:"counts"`
			Bytes string `json:"bytes"`
		} `json:"run_totals"`
	}
	if err := json.Unmarshal(out, &status); err != nil {
		return err
	}
	open, counted := 0, 0
	for _, one := range status.Supervisors {
		open += one.Open
	}
	for _, c := range status.All.Counts {
		counted += c.Sessions
	}
	if len(status.Supervisors) != 2 || status.Supervisors[0].Listen != s.Addr || open != sessions ||
		counted != sessions || status.All.Bytes == "0" {
		return fmt.Errorf("the status is %+v", status)
	}
	return nil
}

// Two supervisors serve one run side by side: its clients are counted together, both see its end, and both have
// the same journal.
func TestTwoSupervisorsServeOneRun(t *testing.T) {
	t.Parallel()
	c := engine.Start(t, engine.Options{})
	start := shared(t, c, 4)
	first, second := start(folder(t), "127.0.0.1:0"), start(folder(t), "127.0.0.1:0")
	var all []*harness.Client
	for i := range 4 {
		all = append(all, client(t, []*harness.Supervisor{first, second}[i%2], fmt.Sprint("client-", i), "--runtime",
			fmt.Sprintf("%ds", 3+6*(i%2)))) // those of the first end long before
	}
	joined(t, first, 2)
	joined(t, second, 2)
	expect.Eventually(t, func() error { return showsBoth(first, 4) })
	for _, one := range all {
		ended(t, one)
	}
	rep, list := finished(t, first, 0)
	allClosed(t, rep, 4)
	again, _ := finished(t, second, 0)
	allClosed(t, again, 4)
	if one, other := sums(t, first), sums(t, second); one != other {
		t.Errorf("the journals differ:\n%s\n%s", one, other)
	}
	var numbers []uint32
	ends := 0
	for _, rec := range list {
		if j := rec.GetSupervisorJoined(); j != nil {
			numbers = append(numbers, j.GetBefore(), j.GetSupervisor())
		}
		if rec.GetSupervisorRestarted() != nil {
			t.Error("a supervisor that comes to a run restarts it")
		}
		if rec.GetRunEnded() != nil {
			ends++
		}
	}
	if fmt.Sprint(numbers) != "[0 1 0 2]" || ends != 1 {
		t.Errorf("the supervisors are %v, and the run has %d ends", numbers, ends)
	}
}

// When the machine of one supervisor is gone its clients go on at the other; the sessions of those that know no
// other are lost there when their grace is over.
func TestTheSessionsOfADeadSupervisorAreTaken(t *testing.T) {
	t.Parallel()
	c := engine.Start(t, engine.Options{})
	config := settings(t, c, "run: shared")
	start := func(listen string) *harness.Supervisor {
		return supervisor(t, folder(t), "--config", config, "--clients", "5", "--listen", listen,
			"--handler-orphan-grace", "500ms", "--session-grace", "4s")
	}
	first, other := start("127.0.0.1:0"), free(t)
	both := &harness.Supervisor{Addr: first.Addr + "," + other}
	var all []*harness.Client
	for i := range 3 {
		all = append(all, client(t, both, fmt.Sprint("client-", i), "--runtime", "25s"))
	}
	faithful := client(t, first, "faithful", "--runtime", "20s")
	joined(t, first, 4)
	second := start(other)
	all = append(all, client(t, second, "settled", "--runtime", "25s"))
	joined(t, second, 1)
	first.Kill()
	for _, one := range all {
		ended(t, one)
	}
	rep, list := finished(t, second, 3)
	if code, err := faithful.Wait(patience); err != nil || code == 0 {
		t.Errorf("a client whose supervisor is gone ends with %d: %v", code, err)
	}
	outcomes := make(map[string]int)
	for _, c := range rep.Clients {
		outcomes[string(c.Outcome)]++
		if c.Name != "faithful" && c.Outcome != report.OutcomeClosed {
			t.Errorf("client %s is %s: %s", c.Name, c.Outcome, c.Cause)
		}
	}
	if outcomes[report.OutcomeClosed] != 4 || outcomes[report.OutcomeLost] != 1 || len(rep.Journal.Violations) > 0 {
		t.Errorf("the outcomes are %v; violations: %v", outcomes, rep.Journal.Violations)
	}
	for _, rec := range list {
		if rec.GetSupervisorRestarted() != nil {
			t.Error("a supervisor that takes sessions restarts the run")
		}
	}
}

// A supervisor that is stopped loses its clients to another one: its handlers leave it. When it runs again it finds
// its sessions elsewhere, acknowledges nothing more for them, and goes on with what is its own.
func TestAFrozenSupervisorComesBack(t *testing.T) {
	t.Parallel()
	c := engine.Start(t, engine.Options{})
	config, other := settings(t, c, "run: shared"), free(t)
	start := func(listen string) *harness.Supervisor {
		return supervisor(t, folder(t), "--config", config, "--clients", "3", "--listen", listen, "--peers", other,
			"--handler-orphan-grace", "500ms", "--handler-hang-timeout", "5s")
	}
	first := start("127.0.0.1:0")
	var all []*harness.Client
	for i := range 3 { // which learn of the other one from the first
		all = append(all, client(t, first, fmt.Sprint("client-", i), "--runtime", "40s"))
	}
	joined(t, first, 3)
	second := start(other)
	if err := first.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	back := 0
	if _, err := second.Await(patience, func(l harness.LogLine) bool {
		if strings.HasPrefix(l.Text("msg"), "client is back") {
			back++
		}
		return back == 3
	}); err != nil {
		t.Fatal(err)
	}
	if err := first.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	for _, one := range all {
		ended(t, one)
	}
	rep, _ := finished(t, second, 0)
	allClosed(t, rep, 3)
	rep, _ = finished(t, first, 0)
	allClosed(t, rep, 3)
	if one, other := sums(t, first), sums(t, second); one != other {
		t.Errorf("the journals differ:\n%s\n%s", one, other)
	}
}

// A supervisor that is told to end while others serve its run leaves it to them; a drain is the run's, whoever is
// asked for it.
func TestLeavingAndDraining(t *testing.T) {
	t.Parallel()
	c := engine.Start(t, engine.Options{})
	start := shared(t, c, 4)
	first, other, third := start(folder(t), "127.0.0.1:0"), free(t), start(folder(t), "127.0.0.1:0")
	known := &harness.Supervisor{Addr: first.Addr + "," + other}
	var all []*harness.Client
	for i := range 2 {
		all = append(all, client(t, known, fmt.Sprint("client-", i), "--runtime", "10m"),
			client(t, third, fmt.Sprint("further-", i), "--runtime", "10m"))
	}
	joined(t, first, 2)
	joined(t, third, 2)
	second := start(folder(t), other)
	if err := first.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code, err := first.Wait(patience); err != nil || code != 0 {
		t.Errorf("who leaves ends with %d: %v", code, err)
	}
	back := 0
	if _, err := second.Await(patience, func(l harness.LogLine) bool {
		if strings.Contains(l.Text("msg"), "client is") {
			back++
		}
		return back == 2
	}); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(filepath.Join(bin, "bulkhead"), "supervisor", "drain", "--state-dir",
		second.StateDir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, one := range all {
		if _, err := one.Wait(patience); err != nil {
			t.Errorf("%v\n%s", err, one.Stderr.String())
		}
	}
	for _, s := range []*harness.Supervisor{second, third} {
		code, err := s.Wait(patience)
		if err != nil {
			t.Fatal(err)
		}
		rep, err := saved.Report(s.RunDir)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range rep.Clients {
			if c.Outcome != report.OutcomeClosed {
				t.Errorf("exit status %d: client %s is %s: %s", code, c.Name, c.Outcome, c.Cause)
			}
		}
		if len(rep.Clients) != 4 || rep.Run.DrainCause != report.DrainByOperator {
			t.Errorf("%d clients, drained by %q", len(rep.Clients), rep.Run.DrainCause)
		}
	}
	if one, other := sums(t, second), sums(t, third); one != other {
		t.Errorf("the journals differ:\n%s\n%s", one, other)
	}
}

// comes connects a client to a supervisor, again while it is told to come again, and returns after which message it
// continues.
func comes(t *testing.T, s *harness.Supervisor, h *bulkheadv1.Hello) (*rawclient.Client, uint64) {
	t.Helper()
	for {
		c, err := rawclient.Dial(t.Context(), s.Addr)
		if err != nil {
			t.Fatal(err)
		}
		w, err := c.Greet(h)
		if err == nil {
			t.Cleanup(func() { c.Close() })
			return c, w.GetResumeAfter()
		}
		c.Close()
		if status.Code(err) != codes.Unavailable {
			t.Fatal(err)
		}
	}
}

// A client that comes back to a supervisor which still has its session in memory, and has been at another one since,
// continues where it was there.
func TestAClientComesBackFromTheOther(t *testing.T) {
	t.Parallel()
	config := settings(t, engine.Start(t, engine.Options{}), "run: shared")
	both := []*harness.Supervisor{supervisor(t, folder(t), "--config", config, "--clients", "1"),
		supervisor(t, folder(t), "--config", config, "--clients", "1")}
	hello := rawclient.Hello("wanderer")
	for i := range uint64(6) {
		c, after := comes(t, both[i%2], hello)
		if after != 3*i {
			t.Fatalf("at its connection %d it continues after message %d; want %d", i+1, after, 3*i)
		}
		if err := errors.Join(c.SendBatch(3*i+1, 3*i+3), c.AwaitAck(3*i+3)); err != nil {
			t.Fatal(err)
		}
		if i < 5 {
			c.Close()
			continue
		}
		if err := c.Goodbye(3*i + 3); err != nil {
			t.Fatal(err)
		}
		_ = c.End() // in order or not, the report tells
	}
	for _, s := range both {
		code, err := s.Wait(patience)
		if err != nil {
			t.Fatal(err)
		}
		rep, _ := finished(t, s, code)
		if len(rep.Clients) != 1 || rep.Clients[0].Messages != 18 || rep.Clients[0].Outcome != report.OutcomeClosed ||
			len(rep.Journal.Violations) > 0 {
			t.Errorf("the clients are %+v; violations: %v", rep.Clients, rep.Journal.Violations)
		}
	}
}

// An upgrade of one of two supervisors drops no connection, and takes nothing from the other.
func TestOneOfTwoIsUpgraded(t *testing.T) {
	t.Parallel()
	config := settings(t, engine.Start(t, engine.Options{}), "run: shared")
	first, second := supervisor(t, folder(t), "--config", config, "--clients", "2"),
		supervisor(t, folder(t), "--config", config, "--clients", "2")
	one, other := client(t, first, "one", "--runtime", "15s"), client(t, second, "other", "--runtime", "15s")
	joined(t, first, 1)
	joined(t, second, 1)
	out, err := exec.Command(filepath.Join(bin, "bulkhead"), "supervisor", "upgrade", "--state-dir",
		first.StateDir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	ended(t, one)
	ended(t, other)
	for _, s := range []*harness.Supervisor{first, second} {
		rep, _ := finished(t, s, 0)
		allClosed(t, rep, 2)
		for _, c := range rep.Clients {
			if len(c.Connections) != 1 {
				t.Errorf("client %s had %d connections", c.Name, len(c.Connections))
			}
		}
	}
}

// Who is killed and started again has its own sessions again, beside another supervisor of the run.
func TestOneOfTwoIsStartedAgain(t *testing.T) {
	t.Parallel()
	c := engine.Start(t, engine.Options{})
	start := shared(t, c, 2)
	state := folder(t)
	first, second := start(state, "127.0.0.1:0"), start(folder(t), "127.0.0.1:0")
	one, other := client(t, first, "one", "--runtime", "15s"), client(t, second, "other", "--runtime", "15s")
	joined(t, first, 1)
	joined(t, second, 1)
	first.Kill()
	again := start(state, first.Addr)
	ended(t, one)
	ended(t, other)
	rep, list := finished(t, again, 0)
	allClosed(t, rep, 2)
	rep, _ = finished(t, second, 0)
	allClosed(t, rep, 2)
	for _, c := range rep.Clients {
		if len(c.Connections) != 1 && c.Name == "other" {
			t.Errorf("client %s had %d connections", c.Name, len(c.Connections))
		}
	}
	var numbers []uint32
	for _, rec := range list {
		if j := rec.GetSupervisorJoined(); j != nil {
			numbers = append(numbers, j.GetBefore(), j.GetSupervisor())
		}
	}
	if fmt.Sprint(numbers) != "[0 1 0 2 1 3]" {
		t.Errorf("the supervisors are %v", numbers)
	}
}
