package clustered

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"bulkhead/internal/testing/engine"
	"bulkhead/internal/testing/harness"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/saved"
)

// A run whose journal is on an engine ends like any other, and leaves an ordinary folder.
func TestARunOnAnEngine(t *testing.T) {
	t.Parallel()
	c := engine.Start(t, engine.Options{})
	s := supervisor(t, folder(t), "--config", settings(t, c), "--clients", "3")
	var all []*harness.Client
	for i := range 3 {
		all = append(all, client(t, s, fmt.Sprint("client-", i), "--runtime", "3s"))
	}
	joined(t, s, 3)
	if _, err := os.Stat(filepath.Join(s.RunDir, "journal")); err == nil {
		t.Error("there is a journal in the run's folder while it goes on")
	}
	for _, one := range all {
		ended(t, one)
	}
	rep, list := finished(t, s, 0)
	allClosed(t, rep, 3)
	come := 0
	for _, rec := range list {
		if j := rec.GetSupervisorJoined(); j != nil {
			if come++; j.GetSupervisor() != 1 || j.GetListen() != s.Addr || j.GetBefore() != 0 {
				t.Errorf("the supervisor that joined is %v", j)
			}
		}
		if rec.GetJournalUnproven() != nil || rec.GetJournalUnavailable() != nil {
			t.Errorf("the journal has %v", rec)
		}
	}
	if come != 1 {
		t.Errorf("%d supervisors joined", come)
	}
	out, err := exec.Command(filepath.Join(bin, "bulkhead"), "report", s.RunDir).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "client-2") {
		t.Errorf("the report of the folder: %v\n%s", err, out)
	}
}

// A supervisor that is killed takes its own up when it is started again: no connection of a client drops.
func TestAKilledSupervisorGoesOn(t *testing.T) {
	t.Parallel()
	c := engine.Start(t, engine.Options{})
	state, config := folder(t), settings(t, c)
	s := supervisor(t, state, "--config", config, "--clients", "3")
	var all []*harness.Client
	for i := range 3 {
		all = append(all, client(t, s, fmt.Sprint("client-", i), "--runtime", "20s"))
	}
	joined(t, s, 3)
	for range 2 {
		s.Kill()
		next := supervisor(t, state, "--config", config, "--clients", "3", "--listen", s.Addr)
		if next.RunDir != s.RunDir {
			t.Fatalf("the run continues in %s, not in %s", next.RunDir, s.RunDir)
		}
		s = next
	}
	for _, one := range all {
		ended(t, one)
	}
	rep, list := finished(t, s, 0)
	allClosed(t, rep, 3)
	if len(rep.Run.Restarts) != 2 {
		t.Errorf("%d restarts", len(rep.Run.Restarts))
	}
	for _, c := range rep.Clients {
		if len(c.Connections) != 1 {
			t.Errorf("client %s had %d connections", c.Name, len(c.Connections))
		}
	}
	var numbers []uint32
	for _, rec := range list {
		if j := rec.GetSupervisorJoined(); j != nil {
			numbers = append(numbers, j.GetBefore(), j.GetSupervisor())
		}
	}
	if fmt.Sprint(numbers) != "[0 1 1 2 2 3]" {
		t.Errorf("the supervisors are %v", numbers)
	}
}

// Without a quorum of the engine loads go on and nothing is acknowledged; all arrives when it is back,
// and the journal has for how long it was away.
func TestNoQuorum(t *testing.T) {
	t.Parallel()
	c := engine.Start(t, engine.Options{})
	s := supervisor(t, folder(t), "--config", settings(t, c), "--clients", "2")
	var all []*harness.Client
	for i := range 2 {
		all = append(all, client(t, s, fmt.Sprint("client-", i), "--runtime", "30s"))
	}
	joined(t, s, 2)
	for _, n := range c.Nodes[1:] {
		n.Kill()
	}
	if _, err := s.Await(patience, func(l harness.LogLine) bool {
		return strings.Contains(l.Text("msg"), "engine cannot be reached")
	}); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(filepath.Join(bin, "bulkhead"), "supervisor", "status", "--state-dir",
		s.StateDir).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "engine has not been reached for") {
		t.Errorf("the status without an engine: %v\n%s", err, out)
	}
	for _, n := range c.Nodes[1:] {
		if err := n.Start(); err != nil {
			t.Fatal(err)
		}
	}
	for _, one := range all {
		ended(t, one)
	}
	rep, list := finished(t, s, 0)
	allClosed(t, rep, 2)
	var away *bulkheadv1.JournalUnavailable
	for _, rec := range list {
		if u := rec.GetJournalUnavailable(); u != nil {
			away = u
		}
	}
	if away.GetUnavailableNano() < 1e9 || away.GetSupervisor() != 1 {
		t.Errorf("the engine was away: %v", away)
	}
}

// An engine that is not set up as it must be is refused, with what to change; one whose acknowledgements
// are not proven durable is taken where that is accepted, and the journal says so.
func TestStartChecks(t *testing.T) {
	t.Parallel()
	c := engine.Start(t, engine.Options{Nodes: 1, SyncInterval: "2m"})
	refused := exec.Command(filepath.Join(bin, "bulkhead"), "supervisor", "start", "--listen", "127.0.0.1:0",
		"--state-dir", filepath.Join(folder(t), "state"), "--config", settings(t, c))
	out, err := refused.CombinedOutput()
	if code := refused.ProcessState.ExitCode(); code != 78 ||
		!strings.Contains(string(out), "set jetstream { sync_interval: always }") ||
		!strings.Contains(string(out), "journal.unproven: accept") {
		t.Errorf("exit status %d: %v\n%s", code, err, out)
	}
	s := supervisor(t, folder(t), "--config", settings(t, c, "unproven: accept"), "--clients", "1")
	ended(t, client(t, s, "one", "--runtime", "2s"))
	rep, list := finished(t, s, 0)
	if len(rep.Clients) != 1 {
		t.Errorf("%d clients", len(rep.Clients))
	}
	var unproven *bulkheadv1.JournalUnproven
	for _, rec := range list {
		if u := rec.GetJournalUnproven(); u != nil {
			unproven = u
		}
	}
	if len(unproven.GetProblems()) != 1 || !strings.Contains(unproven.GetProblems()[0], "syncs every") {
		t.Errorf("what is not proven: %v", unproven)
	}
}

// An operator who does not want to wait for an engine that is away need not: the run is left as it is, and
// goes on when the supervisor is started again.
func TestARunIsLeftOnAnEngineThatIsAway(t *testing.T) {
	t.Parallel()
	c := engine.Start(t, engine.Options{})
	state, config := folder(t), settings(t, c)
	s := supervisor(t, state, "--config", config, "--clients", "1")
	one := client(t, s, "one", "--runtime", "30s")
	joined(t, s, 1)
	for _, n := range c.Nodes[1:] {
		n.Kill()
	}
	for _, await := range []string{"engine cannot be reached", "draining"} {
		if _, err := s.Await(patience, func(l harness.LogLine) bool {
			return strings.Contains(l.Text("msg"), await)
		}); err != nil {
			t.Fatal(err)
		}
		if err := s.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	if code, err := s.Wait(patience); err != nil || code != 1 {
		t.Fatalf("the supervisor ends with %d: %v; want 1", code, err)
	}
	for _, n := range c.Nodes[1:] {
		if err := n.Start(); err != nil {
			t.Fatal(err)
		}
	}
	c.Ready()
	next := supervisor(t, state, "--config", config, "--clients", "1", "--listen", s.Addr)
	if next.RunDir != s.RunDir {
		t.Errorf("the run continues in %s, not in %s", next.RunDir, s.RunDir)
	}
	code, err := one.Wait(patience) // it may have been asked to end its load, as all were
	if err != nil || code != 0 && code != 4 {
		t.Errorf("the client ends with %d: %v", code, err)
	}
	rep, _ := finished(t, next, code)
	if len(rep.Clients) != 1 || rep.Clients[0].Outcome != report.OutcomeClosed {
		t.Errorf("the clients are %+v", rep.Clients)
	}
}

// An operator is heard from the first moment on in which the engine is away, also while the run has something
// to record that nobody asked for: that it waits no longer for a client.
func TestAnOperatorIsHeardAsTheEngineGoes(t *testing.T) {
	t.Parallel()
	c := engine.Start(t, engine.Options{})
	state, config := folder(t), settings(t, c)
	s := supervisor(t, state, "--config", config, "--clients", "2", "--wait-clients", "2s")
	one := client(t, s, "one", "--runtime", "30s")
	joined(t, s, 1)
	for _, n := range c.Nodes[1:] {
		n.Kill()
	}
	if _, err := s.Await(patience, func(l harness.LogLine) bool {
		return strings.Contains(l.Text("msg"), "engine cannot be reached")
	}); err != nil {
		t.Fatal(err)
	}
	upgrade := exec.Command(filepath.Join(bin, "bulkhead"), "supervisor", "upgrade", "--state-dir", state)
	if out, err := upgrade.CombinedOutput(); err == nil || !strings.Contains(string(out),
		"the journal's engine has not been reached for") {
		t.Errorf("an upgrade without an engine: %v\n%s", err, out)
	}
	for _, n := range c.Nodes[1:] {
		if err := n.Start(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Await(patience, func(l harness.LogLine) bool {
		return strings.Contains(l.Text("msg"), "engine is reached again")
	}); err != nil {
		t.Fatal(err)
	}
	for _, n := range c.Nodes[1:] {
		n.Kill()
	}
	if err := s.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Await(patience, func(l harness.LogLine) bool { return l.Text("msg") == "draining" }); err != nil {
		t.Fatal(err)
	}
	if err := s.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code, err := s.Wait(patience); err != nil || code != 1 {
		t.Fatalf("the supervisor ends with %d: %v; want 1", code, err)
	}
	for _, n := range c.Nodes[1:] {
		if err := n.Start(); err != nil {
			t.Fatal(err)
		}
	}
	c.Ready()
	next := supervisor(t, state, "--config", config, "--clients", "2", "--listen", s.Addr)
	if code, err := one.Wait(patience); err != nil || code != 4 { // its load was cut short
		t.Errorf("the client ends with %d: %v", code, err)
	}
	rep, list := finished(t, next, 3)
	if len(rep.Clients) != 1 || rep.Clients[0].Outcome != report.OutcomeClosed {
		t.Errorf("the clients are %+v", rep.Clients)
	}
	waits := 0
	for _, rec := range list {
		if rec.GetWaitEnded() != nil {
			waits++
		}
	}
	if waits != 1 {
		t.Errorf("the run gave up on the absent client %d times", waits)
	}
}

// A supervisor that is started while the engine is away says so and waits for it, until a signal comes.
func TestAStartWaitsForTheEngine(t *testing.T) {
	t.Parallel()
	c := engine.Start(t, engine.Options{})
	state, config := folder(t), settings(t, c)
	s := supervisor(t, state, "--config", config, "--clients", "1")
	one := client(t, s, "one", "--runtime", "20s")
	joined(t, s, 1)
	s.Kill()
	for _, n := range c.Nodes[1:] {
		n.Kill()
	}
	start := func() *harness.Supervisor {
		t.Helper()
		next, err := harness.Start(harness.SupervisorCommand(bin, state, "--config", config, "--clients", "1",
			"--listen", s.Addr), state)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			next.Kill()
			if t.Failed() {
				t.Logf("supervisor %d:\n%s", next.Pid(), next.Log())
			}
		})
		if _, err := next.Await(patience, func(l harness.LogLine) bool {
			return strings.Contains(l.Text("msg"), "the supervisor waits for it, until a signal comes")
		}); err != nil {
			t.Fatal(err)
		}
		return next
	}
	asked := start()
	if err := asked.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code, err := asked.Wait(patience); err != nil || code != 1 {
		t.Errorf("who is asked not to wait ends with %d: %v", code, err)
	}
	next := start()
	for _, n := range c.Nodes[1:] {
		if err := n.Start(); err != nil {
			t.Fatal(err)
		}
	}
	if err := next.AwaitReady(patience); err != nil {
		t.Fatal(err)
	}
	ended(t, one)
	rep, _ := finished(t, next, 0)
	allClosed(t, rep, 1)
}

// A replica that is found damaged as the run is exported is a finding of its report.
func TestADamagedReplicaIsInTheReport(t *testing.T) {
	t.Parallel()
	c := engine.Start(t, engine.Options{})
	s := supervisor(t, folder(t), "--config", settings(t, c), "--clients", "1")
	one := client(t, s, "one", "--runtime", "20s")
	joined(t, s, 1)
	if _, err := s.Await(patience, func(l harness.LogLine) bool { return l.Text("msg") == "progress" }); err != nil {
		t.Fatal(err)
	}
	damaged := c.Nodes[0]
	damaged.Terminate()
	flipped := 0
	for k := 1; k <= 2; k++ { // the client is in one of the two
		if err := damaged.Flip(fmt.Sprintf("BH_%s_%d", filepath.Base(s.RunDir), k)); err == nil {
			flipped++
		}
	}
	if err := damaged.Start(); err != nil || flipped == 0 {
		t.Fatalf("%d replicas were damaged: %v", flipped, err)
	}
	ended(t, one)
	finished(t, s, 0)
	rep, err := saved.Report(filepath.Join(s.RunDir, report.FileName)) // the folder's journal is whole
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, w := range rep.Verdict.Warnings {
		found = found || strings.Contains(w, "the journal's replica at node "+damaged.Name+" is damaged")
	}
	if !found {
		t.Errorf("the verdict says nothing of the damage: %+v", rep.Verdict)
	}
}
