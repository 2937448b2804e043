package faults_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bulkhead/internal/exitstatus"
	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/fold"
)

// soon are the flags of a supervisor whose handlers do not wait for it, for long.
var soon = []string{"--handler-orphan-grace", "200ms"}

// wellUnderWay reports whether more than the beginning of a session's load has arrived.
func wellUnderWay(s *bulkheadv1.SessionStatus) bool {
	return s.GetState() == "active" && s.GetDurableSeq() > 50
}

// loseState kills the supervisor and takes its state away. The journal of the run is
// returned, which no supervisor has now.
func (w *world) loseState() (journal string) {
	w.t.Helper()
	w.Kill()
	lost := filepath.Join(w.dir, "lost-"+filepath.Base(w.RunDir))
	expect.NoError(w.t, os.Rename(w.StateDir, lost))
	return filepath.Join(lost, "runs", filepath.Base(w.RunDir), "journal")
}

// anew starts a supervisor at the same address that knows nothing of the one before.
func (w *world) anew() {
	w.t.Helper()
	w.launch(w.addr, "")
	expect.NoError(w.t, w.AwaitReady(patience))
	if w.RunDir == w.runDir {
		w.t.Fatalf("the supervisor continues run %s; its state was to be lost", w.runDir)
	}
	w.runDir = w.RunDir
}

// wantWhole checks that the sessions of one client in several runs have all of its files,
// each once but for those whose ack was cut off, in order.
func wantWhole(t *testing.T, parts ...*report.Client) {
	t.Helper()
	for index := range uint32(2) {
		next := uint64(0)
		for i, c := range parts {
			var files report.Rollovers
			for k := range c.Processes {
				if p := &c.Processes[k]; p.Kind == report.KindConsumer && p.Index == index && p.Rollovers != nil {
					files = *p.Rollovers
				}
			}
			if len(files.List) == 0 {
				if i == len(parts)-1 { // an earlier one may have ended before the consumer's first file did
					t.Errorf("the last part has no file of consumer %d", index)
				}
				continue
			}
			first, last := files.List[0].FileIndex-files.LeftOut, files.List[len(files.List)-1].FileIndex
			if first > next || last-first+1 != files.Files {
				t.Errorf("part %d has %d files of consumer %d, %d to %d; want each once, from %d or, if its ack was "+
					"cut off, an earlier one", i, files.Files, index, first, last, next)
			}
			next = last + 1
		}
	}
}

// wantBegun checks that a session continues one of another run, that everything of it
// is in the report, and that the report says where the rest is and nothing wrong of it.
func wantBegun(t *testing.T, rep *report.Report, name, run string, durable uint64) *report.Client {
	t.Helper()
	c := expect.Client(t, rep, name)
	switch b := c.Begun; {
	case b == nil || b.Run != run || b.After == 0 || b.After > durable:
		t.Errorf("client %s: begun %+v; want it in run %s, after at most %d messages", name, b, run, durable)
	case c.Outcome != report.OutcomeClosed || c.StopReason == "" || c.Messages == 0 || c.Messages != c.LastSeq ||
		c.Malformed != 0:
		t.Errorf("client %s: %s (%s) with %d of %d messages, %d malformed, stop %q", name, c.Outcome, c.Cause,
			c.Messages, c.LastSeq, c.Malformed, c.StopReason)
	}
	if reasons := strings.Join(rep.Verdict.Reasons, "\n"); !strings.Contains(reasons,
		"continues a session of run "+run+" here") {
		t.Errorf("the reasons do not name the run that has its beginning:\n%s", reasons)
	}
	for _, f := range rep.Findings {
		if f.Kind == report.FindingContradiction {
			t.Errorf("finding: %+v", f)
		}
	}
	return c
}

// A supervisor that is killed and loses its state does not end a load, even if that
// happens twice: it continues as a session of its own in each new run, and every message is
// in one of them.
func TestALoadOutlivesTheStateOfItsSupervisor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{clients: 1, more: soon})
	c := w.client("a", w.Addr)
	var parts []*report.Client
	for range 2 {
		w.session("a", wellUnderWay)
		lost := w.loseState()
		rep, err := fold.FromJournal(lost)
		expect.NoError(t, err)
		w.anew()
		w.session("a", wellUnderWay)
		parts = append(parts, expect.Client(t, rep, "a"))
		parts[len(parts)-1].SessionID = rep.Run.ID // all that is still wanted of it
	}
	expect.NoError(t, c.Signal(syscall.SIGINT))
	rep := w.finish(exitPartial)
	code, err := c.Wait(patience)
	expect.NoError(t, err)
	last := wantBegun(t, rep, "a", parts[1].SessionID, parts[1].LastSeq)
	if last.StopReason != "interrupted" || parts[1].Begun == nil || parts[1].Begun.Run != parts[0].SessionID ||
		last.Begun != nil && last.Begun.Before != parts[1].Begun.After+last.Begun.After {
		t.Errorf("stopped for %q; begun %+v, after %+v", last.StopReason, last.Begun, parts[1].Begun)
	}
	wantWhole(t, parts[0], parts[1], last)
	if out := c.Stdout.String(); code != exitPartial ||
		!strings.Contains(out, "which the supervisor no longer knows") ||
		strings.Contains(out, "not delivered") {
		t.Errorf("the client exited with %d and said:\n%s", code, out)
	}
	if rep.Run.JoinedClients != 1 || len(rep.Clients) != 1 {
		t.Errorf("%d clients, %d sessions; want one", rep.Run.JoinedClients, len(rep.Clients))
	}
}

// A client that comes back when its run is over, because others of the run had ended and
// it was away for too long, continues its load in the next run, which says so.
func TestALoadGoesOnInTheNextRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{clients: 2, grace: time.Second, more: append(soon, "--keep-running")})
	path, err := harness.NewPath(w.Addr)
	expect.NoError(t, err)
	t.Cleanup(path.Close)
	c := w.client("a", path.Addr())
	b := w.sender("b", w.Addr, nil)
	w.session("a", wellUnderWay)
	path.Hold(harness.Up, harness.Down)
	path.Cut()
	w.session("a", isAway)
	b.Finish()
	expect.NoError(t, b.AwaitEnd(patience))
	first := w.nextRun()
	path.Release()
	w.session("a", wellUnderWay)
	expect.NoError(t, c.Signal(syscall.SIGINT))
	code, err := c.Wait(patience)
	expect.NoError(t, err)
	expect.NoError(t, w.Signal(syscall.SIGTERM))
	_, err = w.Wait(patience)
	expect.NoError(t, err)
	expect.NoError(t, os.RemoveAll(filepath.Join(w.StateDir, "runs", first.Run.ID))) // finish knows of one run
	w.senders = nil
	rep := w.finish(exitPartial)

	lost := expect.Client(t, first, "a")
	last := wantBegun(t, rep, "a", first.Run.ID, lost.LastSeq)
	if lost.Outcome != report.OutcomeLost || last.Begun != nil && last.Begun.After != lost.LastSeq {
		t.Errorf("in the first run: %s after %d; the second begins after %+v", lost.Outcome, lost.LastSeq, last.Begun)
	}
	wantWhole(t, lost, last)
	if out := c.Stdout.String(); code != exitPartial ||
		!strings.Contains(out, "run "+first.Run.ID+", which ended without this client, has the first ") {
		t.Errorf("the client exited with %d and said:\n%s", code, out)
	}
}

// nextRun waits for the run after the present one, which it makes that of w, and returns
// the report of the one that is over.
func (w *world) nextRun() *report.Report {
	w.t.Helper()
	before := w.runDir
	expect.Eventually(w.t, func() error {
		st, err := w.status()
		if err == nil && (st.GetRunDir() == "" || st.GetRunDir() == before) {
			err = errNotYet
		}
		if err == nil {
			w.runDir, w.RunDir = st.GetRunDir(), st.GetRunDir()
		}
		return err
	})
	rep, err := fold.FromJournal(filepath.Join(before, "journal"))
	expect.NoError(w.t, err)
	return rep
}

// The spool of a client, copied and delivered by another process while the client is
// there, is refused: the client continues, and the report names both.
func TestTheCopyOfALiveClientIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{clients: 1})
	c := w.client("a", w.Addr, "--spool-memory", "64KiB")
	w.session("a", wellUnderWay)
	expect.NoError(t, w.Signal(syscall.SIGSTOP)) // so that nothing is acknowledged
	copied := filepath.Join(w.dir, "copied")
	expect.Eventually(t, func() error {
		spools, err := filepath.Glob(filepath.Join(c.Dir(), "bulkhead-*", "spool"))
		if err != nil || len(spools) != 1 {
			return errNotYet
		}
		data, err := os.ReadFile(spools[0])
		if err == nil && len(data) < 16<<10 {
			return errNotYet
		}
		return errors.Join(err, os.WriteFile(copied, data, 0o600))
	})
	expect.NoError(t, w.Signal(syscall.SIGCONT))
	w.session("a", wellUnderWay)
	out, err := exec.CommandContext(w.ctx, filepath.Join(w.bin, "bulkhead"), "client", "resend", "--supervisor", w.Addr,
		copied).Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != exitPartial ||
		!strings.Contains(string(out), "this client id is in use: another process with this client id is connected") {
		t.Errorf("resend of the copy: %v\n%s", err, out)
	}
	before := w.session("a", wellUnderWay).GetDurableSeq()
	w.session("a", func(s *bulkheadv1.SessionStatus) bool {
		return s.GetState() == "active" &&
			s.GetDurableSeq() > before
	})
	expect.NoError(t, c.Signal(syscall.SIGINT))
	rep := w.finish(exitPartial)
	code, err := c.Wait(patience)
	expect.NoError(t, err)
	if a := expect.Client(t, rep, "a"); code != exitstatus.Interrupted || a.Outcome != report.OutcomeClosed ||
		a.Messages != a.LastSeq || a.Malformed != 0 {
		t.Errorf("the client exited with %d; its session %s with %d of %d messages", code, a.Outcome, a.Messages,
			a.LastSeq)
	}
	if text := strings.Join(rep.Verdict.Reasons, "\n"); !strings.Contains(text,
		"client a: two processes with one client id") || !strings.Contains(text, fmt.Sprintf("pid %d)", c.Pid())) {
		t.Errorf("reasons:\n%s", text)
	}
}
