package faults_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"bulkhead/internal/exitstatus"
	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/journal"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/fold"
)

// Exit statuses of `bulkhead supervisor start`.
const (
	exitComplete = 0
	exitFailure  = 1
	exitPartial  = 3
)

// finish waits for the supervisor's exit with the status code, and checks everything
// that must be true at the end of a run, whatever was broken in it. It returns the
// report.
func (w *world) finish(code int) *report.Report {
	w.t.Helper()
	got, err := w.Wait(patience)
	expect.NoError(w.t, err)
	rep := w.checkJournal()
	// whole, and cut short by a drain or a signal
	if code == exitComplete && rep.Verdict.Word == report.WordInterrupted {
		code = exitstatus.Interrupted
	}
	if got != code {
		w.t.Errorf("the supervisor exited with %d; want %d", got, code)
	}
	if code != exitFailure && rep.Complete() != (code == exitComplete) {
		w.t.Errorf("exit status %d, but the verdict is %+v", code, rep.Verdict)
	}
	for _, h := range rep.Handlers {
		if h.Exit != nil && h.Exit.Class == report.ExitSandbox {
			w.t.Errorf("handler %d of %q: %s; dmesg may name the call", h.Pid, h.Client, h.Exit.Cause)
		}
	}
	w.rebuilt(code == exitFailure)
	w.accounted()
	w.nothingLeft(code == exitFailure)
	return rep
}

// checkJournal checks the invariants of the journal and returns its report.
func (w *world) checkJournal() *report.Report {
	w.t.Helper()
	dir := filepath.Join(w.runDir, "journal")
	check, err := journal.Check(dir)
	expect.NoError(w.t, err)
	if err := check.Err(); err != nil {
		w.t.Errorf("the journal breaks its invariants: %v", err)
	}
	rep, err := fold.FromJournal(dir)
	expect.NoError(w.t, err)
	for _, h := range rep.Handlers {
		if h.Exit != nil && h.Exit.Class == report.ExitSandbox { // nothing here makes one do that
			w.t.Errorf("handler %d: %s; dmesg may name the call", h.Pid, h.Exit.Cause)
		}
	}
	return rep
}

// rebuilt checks that `bulkhead report` makes report.txt again. That of a supervisor
// that failed may be missing; if not it says, beyond the journal, what it failed of, and
// the run does not count as reported.
func (w *world) rebuilt(failed bool) {
	w.t.Helper()
	again, err := exec.Command(filepath.Join(w.bin, "bulkhead"), "report", w.runDir).Output()
	expect.NoError(w.t, err)
	written, err := os.ReadFile(filepath.Join(w.runDir, "report.txt"))
	if failed && errors.Is(err, fs.ErrNotExist) {
		return
	}
	expect.NoError(w.t, err)
	if failed {
		if !bytes.Contains(written, []byte("the supervisor could not continue: ")) {
			w.t.Errorf("report.txt does not say what the supervisor failed of:\n%s", written)
		}
		if _, err := os.Lstat(filepath.Join(w.runDir, "report.json")); !errors.Is(err, fs.ErrNotExist) {
			w.t.Errorf("the run counts as reported, although it can be continued: %v", err)
		}
		return
	}
	if !bytes.Equal(written, again) {
		w.t.Errorf("report.txt is not what bulkhead report makes of the journal:\n%s\n%s", written, again)
	}
}

// accounted checks the journal against the log of every scripted client: it holds
// what the client sent, from the first message on, each once and as it was sent; all
// that was acknowledged, and nothing that was not sent.
func (w *world) accounted() {
	w.t.Helper()
	found, err := countMessages(filepath.Join(w.runDir, "journal"), w.senders)
	expect.NoError(w.t, err)
	for _, s := range w.senders {
		p := s.Progress()
		if n := found[s]; n < p.Acked || n > p.Sent {
			w.t.Errorf("client %s: the journal holds %d messages; %d were sent and %d acknowledged", s.Name(), n,
				p.Sent, p.Acked)
		}
		if p.Ended && p.Err == nil && p.Acked != p.Sent {
			w.t.Errorf("client %s closed in order with %d of %d messages acknowledged", s.Name(), p.Acked, p.Sent)
		}
		if errors.Is(p.Err, rawclient.ErrLost) {
			w.t.Errorf("client %s: %v", s.Name(), p.Err)
		}
	}
}

// countMessages counts the messages of each sender in a journal. An error names the
// first that is not what the sender sent next.
func countMessages(dir string, senders []*rawclient.Sender) (map[*rawclient.Sender]uint64, error) {
	byID := make(map[string]*rawclient.Sender)
	for _, s := range senders {
		byID[s.ID()] = s
	}
	sessions := make(map[uint32]*rawclient.Sender)
	found := make(map[*rawclient.Sender]uint64)
	_, err := journal.Replay(dir, func(rec *bulkheadv1.Record) error {
		if o := rec.GetSessionOpened(); o != nil {
			sessions[o.GetSession()] = byID[string(o.GetHello().GetClientId())]
		}
		s := sessions[rec.GetSessionBatch().GetSession()]
		if rec.GetSessionBatch() == nil || s == nil {
			return nil
		}
		var b bulkheadv1.Batch
		if err := proto.Unmarshal(rec.GetSessionBatch().GetBatch(), &b); err != nil {
			return err
		}
		next := found[s] + 1
		found[s] += uint64(len(b.GetMessages()))
		if !proto.Equal(&b, s.Messages(next, found[s])) {
			return fmt.Errorf("client %s: the journal has other messages than it sent as %d to %d", s.Name(), next,
				found[s])
		}
		return nil
	})
	return found, err
}

// nothingLeft checks that no process, socket, mount or file is left that only a
// running system needs. A supervisor that failed for want of descriptors cannot look
// into the folder of the sockets to empty it; the next one does.
func (w *world) nothingLeft(failed bool, made ...string) {
	w.t.Helper()
	expect.Eventually(w.t, func() error { // a worker whose client was killed has a moment
		if left := w.processes(); len(left) > 0 {
			return fmt.Errorf("processes left: %v", left)
		}
		return nil
	})
	for _, name := range []string{"sock", "supervisor.sock"} {
		if _, err := os.Lstat(filepath.Join(w.StateDir, name)); !(failed && name == "sock") &&
			!errors.Is(err, fs.ErrNotExist) {
			w.t.Errorf("%s is left in the state directory: %v", name, err)
		}
	}
	for _, pattern := range []string{"handlers/*", ".tmp-*"} {
		left, err := filepath.Glob(filepath.Join(w.runDir, pattern))
		expect.NoError(w.t, err)
		if len(left) > 0 {
			w.t.Errorf("left in the run directory: %v", left)
		}
	}
	runs, err := os.ReadDir(filepath.Join(w.StateDir, "runs"))
	expect.NoError(w.t, err)
	var names []string
	for _, r := range runs {
		if r.Name() != ".current" { // names the run of a supervisor that ended before its report
			names = append(names, r.Name())
		}
	}
	slices.Sort(names)
	if len(made) == 0 {
		made = []string{w.runDir}
	}
	want := []string{"latest"}
	for _, dir := range made {
		want = append(want, filepath.Base(dir))
	}
	if slices.Sort(want); !slices.Equal(names, want) {
		w.t.Errorf("the folder of the runs holds %v; want %v", names, want)
	}
}

// loadFiles returns the load files under a folder.
func loadFiles(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	expect.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // removed at this moment
			return nil
		case err == nil && !d.IsDir() && strings.HasSuffix(path, ".dat"):
			out = append(out, path)
		}
		return err
	}))
	return out
}

// undisturbed checks that a client was served over one and the same connection to
// its end, and that the report has all it sent.
func undisturbed(t *testing.T, rep *report.Report, s *rawclient.Sender) {
	t.Helper()
	p, c := s.Progress(), expect.Client(t, rep, s.Name())
	if len(p.Locals) != 1 || c.Resumes != 0 || len(c.Connections) != 1 || c.Connections[0].Peer != p.Locals[0] {
		t.Errorf(
			"%s was disturbed: its connections were %v (they ended with %v), and the report has %d resumes and %+v",
			s.Name(), p.Locals, p.Ends, c.Resumes, c.Connections)
	}
	if c.Outcome != report.OutcomeClosed || c.Messages != p.Sent || c.Malformed != 0 || p.Err != nil {
		t.Errorf("%s: %s (%s) with %d messages, %d malformed, and was told %v; want closed with %d", s.Name(),
			c.Outcome, c.Cause, c.Messages, c.Malformed, p.Err, p.Sent)
	}
}
