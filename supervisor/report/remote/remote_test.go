package remote

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"bulkhead/internal/testing/engine"
	"bulkhead/internal/testing/harness"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/cluster"
	"bulkhead/supervisor/cluster/access"
	"bulkhead/supervisor/cluster/contract"
	"bulkhead/supervisor/cluster/jetstream"
	"bulkhead/supervisor/report"
)

// bin has the programs.
var bin string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "bulkhead-bin-")
	if err == nil {
		bin = dir
		_, err = harness.Build(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// runID is what the run of a test is called.
const runID = "20260730T101500Z-4f2a1b"

// told makes a run of two supervisors and three clients on an engine, which is over if ended.
func told(t *testing.T, c *engine.Cluster, ended bool) *jetstream.Run {
	t.Helper()
	join := func() *jetstream.Run {
		r, err := jetstream.Join(t.Context(), jetstream.Config{Run: runID, URLs: c.URLs(), Shards: 2,
			Replicas: len(c.Nodes), Started: contract.Started(runID), Patience: 40 * time.Second})
		must(t, err)
		t.Cleanup(func() { must(t, r.Close()) })
		return r
	}
	a, b := join(), join()
	for _, client := range []string{"one", "two", "three"} {
		for _, r := range []*jetstream.Run{a, b} {
			l, h, err := r.Open(t.Context(), contract.Hello(client))
			must(t, err)
			h, recs := spoken(h, r.Connection(), ended && r == b)
			must(t, l.Append(t.Context(), h, recs...))
		}
	}
	if ended {
		must(t, a.Seal(t.Context()))
		must(t, a.End(t.Context(), &bulkheadv1.RunEnded{Reason: bulkheadv1.RunEnd_RUN_END_DONE}))
	}
	return a
}

// spoken returns what a client says who comes, up to its end if over, and the head behind it.
func spoken(h cluster.Head, connection uint64, over bool) (cluster.Head, []*bulkheadv1.Record) {
	var recs []*bulkheadv1.Record
	if h.Phase == bulkheadv1.SessionState_SESSION_STATE_ACTIVE {
		recs = append(recs, contract.Detached(h))
	}
	h, rec := contract.Attached(h, connection)
	recs = append(recs, rec)
	for range 6 {
		h, rec = contract.Messages(h, 2, 500)
		recs = append(recs, rec)
	}
	if over {
		h, rec = contract.Over(h)
		recs = append(recs, rec)
	}
	return h, recs
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// bulkhead runs the program, and returns its exit status and what it printed.
func bulkhead(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	c := exec.CommandContext(t.Context(), filepath.Join(bin, "bulkhead"), args...)
	c.Stdout, c.Stderr = &out, &errs
	err := c.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), out.String(), errs.String()
}

// address returns the address of the run, by these nodes.
func address(run string, nodes ...*engine.Node) string {
	p := access.Place{Run: run}
	for _, n := range nodes {
		p.URLs = append(p.URLs, n.URL)
	}
	return p.String()
}

// exits runs the program, which must exit with a status and print these.
func exits(t *testing.T, want int, stdout, stderr []string, args ...string) string {
	t.Helper()
	code, out, errs := bulkhead(t, args...)
	if code != want {
		t.Errorf("bulkhead %s: exit status %d; want %d\n%s%s", strings.Join(args, " "), code, want, out, errs)
	}
	for _, text := range stdout {
		if !strings.Contains(out, text) {
			t.Errorf("bulkhead %s: %q is not in\n%s", strings.Join(args, " "), text, out)
		}
	}
	for _, text := range stderr {
		if !strings.Contains(errs, text) {
			t.Errorf("bulkhead %s: %q is not in\n%s", strings.Join(args, " "), text, errs)
		}
	}
	if len(stderr) == 0 && errs != "" {
		t.Errorf("bulkhead %s: says %s", strings.Join(args, " "), errs)
	}
	return out
}

// TestARunIsReadFromEachNode reads a run that is over with the commands, from each of three nodes alone:
// the report, the exported folder and its sum are the same, and an ordinary run's.
func TestARunIsReadFromEachNode(t *testing.T) {
	c := engine.Start(t, engine.Options{})
	r := told(t, c, true)
	dir := t.TempDir()
	var first, sum string
	for i, n := range c.Nodes {
		at := address(runID, n)
		text := exits(t, 0, []string{runID}, nil, "report", at)
		folder := filepath.Join(dir, n.Name)
		said := exits(t, 0, []string{"from        node " + n.Name, "sha256      "}, nil, "journal", "export",
			at, folder)
		_, said, _ = strings.Cut(said, "sha256      ")
		if i == 0 {
			first, sum = text, said
			made, err := hex.DecodeString(said[:64])
			must(t, err)
			_, err = r.Reported(t.Context(), [32]byte(made))
			must(t, err)
		}
		if text != first || said[:64] != sum[:64] {
			t.Errorf("node %s gives the sum %s and the report\n%s\nthe first one %s and\n%s", n.Name, said, text, sum,
				first)
		}
		exits(t, 0, []string{"CLEAN: "}, nil, "journal", "check", folder)
		if again := exits(t, 0, nil, nil, "report", folder); again != first {
			t.Errorf("the folder's report is\n%s\nwant\n%s", again, first)
		}
		for _, name := range []string{"report.txt", report.FileName, "report.html"} {
			if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
				t.Error(err)
			}
		}
	}
	all := address(runID, c.Nodes...)
	exits(t, 0, []string{"CLEAN: " + all, sum[:64] + ", as the supervisors reported", "sessions    3, messages 72"},
		nil, "journal", "check", all)
	exits(t, 3, []string{"NOT ALL CHECKED: ", "has a replica, too: name its address"}, nil, "journal", "check",
		address(runID, c.Nodes[0]))
	exits(t, 0, []string{`"clean": true`, `"damage": []`}, nil, "journal", "check", "--json", all,
		"--journal-monitor", strings.Join(c.Monitors(), ","))
	exits(t, 0, []string{"RUN", runID, "reported", "  2            3"}, nil, "journal", "list", address("", c.Nodes...))
	exits(t, 0, []string{`"state": "reported"`}, nil, "journal", "list", "--json", address("", c.Nodes[1]))
	exits(t, 0, []string{"too short to tell a difference"}, nil, "report", "compare", all,
		filepath.Join(dir, c.Nodes[0].Name))
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v: %v", left, err)
	}
}

// TestADamagedReplicaIsNamed flips a bit in one node's store: the commands name the node, read another
// one, and come to the same journal.
func TestADamagedReplicaIsNamed(t *testing.T) {
	c := engine.Start(t, engine.Options{})
	told(t, c, true)
	all, damaged := address(runID, c.Nodes...), c.Nodes[0]
	dir := t.TempDir()
	whole := exits(t, 0, nil, nil, "journal", "export", all, filepath.Join(dir, "whole"))
	damaged.Terminate()
	must(t, damaged.Flip("BH_"+runID+"_1"))
	must(t, damaged.Start())
	c.Ready()
	exits(t, 3, []string{"DAMAGED REPLICA: ", "  damage      the journal's replica at node " + damaged.Name +
		" is damaged: stream BH_" + runID + "_1", "  damage      none"}, nil, "journal", "check", all)
	exits(t, 0, []string{"the journal's replica at node " + damaged.Name + " is damaged: ",
		"this report is from node "}, nil, "report", all)
	said := exits(t, 0, nil, []string{"replica at node " + damaged.Name + " is damaged"}, "journal", "export", all,
		filepath.Join(dir, "again"))
	if _, sum, _ := strings.Cut(whole, "sha256"); !strings.HasSuffix(said, sum) || len(sum) < 64 {
		t.Errorf("the export says\n%s\nbefore the damage it said\n%s", said, whole)
	}
	exits(t, 1, nil, []string{"no node has the whole run", "node " + damaged.Name}, "journal", "export",
		address(runID, damaged), filepath.Join(dir, "none"))
	exits(t, 3, []string{"LOST: ", "no node has the whole run; nothing of it was checked"}, nil, "journal", "check",
		address(runID, damaged))
	if _, err := os.Stat(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something is there: %v", err)
	}
}

// TestARunThatGoesOn reads a run that has no end: so far as it is.
func TestARunThatGoesOn(t *testing.T) {
	c := engine.Start(t, engine.Options{Nodes: 1})
	told(t, c, false)
	at := address(runID, c.Nodes...)
	exits(t, 0, []string{"the run has no end", "one", "two", "three"}, nil, "report", at)
	exits(t, 0, []string{"CLEAN: ", ", so far: the run has no end"}, nil, "journal", "check", at)
	folder := filepath.Join(t.TempDir(), "exported")
	exits(t, 0, []string{", so far: the run has no end"}, nil, "journal", "export", at, folder)
	if _, err := os.Stat(filepath.Join(folder, report.FileName)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a run that goes on is reported: %v", err)
	}
	exits(t, 0, []string{"begun"}, nil, "journal", "list", at)
}

// TestWhatCannotBeRead names what is wrong with an address, a file, a node or a folder in one line, and
// what to do.
func TestWhatCannotBeRead(t *testing.T) {
	c := engine.Start(t, engine.Options{Nodes: 1})
	told(t, c, true)
	only, at := address("", c.Nodes...), address(runID, c.Nodes...)
	dir := t.TempDir()
	for _, one := range []struct {
		code int
		says string
		args []string
	}{
		{64, "there is no run \"other\"; `bulkhead journal list " + only + "` lists those that are there",
			[]string{"report", only + "/other"}},
		{64, "there is no run \"ot.her\"", []string{"report", only + "/ot.her"}},
		{64, " names no run; see `bulkhead journal list --help`", []string{"journal", "check", only}},
		{64, " names no run; ", []string{"journal", "export", only, filepath.Join(dir, "x")}},
		{64, "is not the address of an engine's node", []string{"report", "nats://a:x/r"}},
		{64, "no user and password", []string{"report", "nats://me:secret@a/r"}},
		{64, "is not the address of an engine; use nats://HOST:PORT", []string{"journal", "list", dir}},
		{64, "takes the address of a run and a folder", []string{"journal", "export", at}},
		{64, "each must be in a folder", []string{"report", at, at}},
		{78, "the credentials for the engine: ", []string{"report", at, "--journal-creds", filepath.Join(dir, "none")}},
		{78, "it needs its key", []string{"journal", "list", only, "--journal-tls-cert", "a"}},
		{1, "it is there already; name a folder that is not", []string{"journal", "export", at, dir}},
		{1, "no such file or directory", []string{"journal", "export", at, filepath.Join(dir, "a", "b")}},
		{1, "start one of these nodes, or name others", []string{"report", "nats://127.0.0.1:1/" + runID}},
	} {
		_, _, errs := bulkhead(t, one.args...)
		exits(t, one.code, nil, []string{one.says}, one.args...)
		if strings.Count(errs, "\n") != 1 || strings.Contains(errs, "secret") {
			t.Errorf("bulkhead %s: says\n%s", strings.Join(one.args, " "), errs)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v: %v", left, err)
	}
}

// TestTheCommandThatListsRuns has a shell run the command that is printed where a run is not there.
func TestTheCommandThatListsRuns(t *testing.T) {
	c := engine.Start(t, engine.Options{Nodes: 1})
	told(t, c, true)
	_, _, said := bulkhead(t, "report", address("other", c.Nodes...))
	parts := strings.Split(said, "`")
	if len(parts) != 3 {
		t.Fatalf("it says %s", said)
	}
	shell := exec.CommandContext(t.Context(), "sh", "-c", parts[1])
	shell.Env = append(os.Environ(), "PATH="+bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
	out, err := shell.CombinedOutput()
	if err != nil || !strings.Contains(string(out), runID) {
		t.Errorf("%s: %v\n%s", parts[1], err, out)
	}
}

// A run that its supervisors have reported can be removed, and one that they have not only by force.
func TestTheCommandThatRemovesARun(t *testing.T) {
	c := engine.Start(t, engine.Options{Nodes: 1})
	only, at := address("", c.Nodes...), address(runID, c.Nodes...)
	reported := told(t, c, true)
	exits(t, 1, nil, []string{"the run is not finished", "--force"}, "journal", "remove", at)
	exits(t, 0, []string{"ended"}, nil, "journal", "list", only)
	_, err := reported.Reported(t.Context(), [32]byte{1})
	must(t, err)
	exits(t, 0, nil, nil, "journal", "remove", at)
	exits(t, 0, []string{"no runs"}, nil, "journal", "list", only)
	exits(t, 64, nil, []string{"there is no run"}, "journal", "remove", at)
	told(t, c, false)
	exits(t, 1, nil, []string{"the run is not finished"}, "journal", "remove", at)
	exits(t, 0, nil, nil, "journal", "remove", "--force", at)
	exits(t, 0, []string{"no runs"}, nil, "journal", "list", only)
}

// What comes into an engine can be in the environment, as it is for a supervisor.
func TestTheEnvironmentSaysHowToComeIn(t *testing.T) {
	for name, says := range map[string]string{"CREDS": "the credentials for the engine: ",
		"TLS_CA": "the CA of the engine: ", "TLS_CERT": "it needs its key", "TLS_KEY": "it needs its key"} {
		t.Setenv("BULKHEAD_JOURNAL_"+name, filepath.Join(t.TempDir(), "none"))
		exits(t, 78, nil, []string{says}, "journal", "list", "nats://127.0.0.1:1")
		os.Unsetenv("BULKHEAD_JOURNAL_" + name)
	}
}
