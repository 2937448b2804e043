package supervisor_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
	"bulkhead/supervisor"
	"bulkhead/supervisor/rundir"
)

// secondIsLockedOut starts another supervisor on the same state directory, which must be
// told that there is one.
func (r *running) secondIsLockedOut() {
	r.t.Helper()
	cfg := settings(r.state)
	cfg.Ready = func(supervisor.Ready) { r.t.Error("the second got ready") }
	_, err := supervisor.Run(r.t.Context(), cfg, nil)
	if !errors.Is(err, rundir.ErrLocked) {
		r.t.Errorf("the second ended with %v; want ErrLocked", err)
	}
}

// What is removed from the state directory under a running supervisor is made again, and
// told; clients notice nothing, and no second supervisor gets in meanwhile.
func TestWhatIsRemovedIsMadeAgain(t *testing.T) {
	t.Parallel()
	for name, dir := range stateDirs(t) {
		t.Run(name, func(t *testing.T) {
			s := start(t, func(c *supervisor.Config) { c.StateDir, c.Clients.Count, c.Handler.Pool = dir, 4, 1 })
			alpha := s.greet(rawclient.Hello("alpha"), 0)
			s.deliver(alpha, 1, 3)
			was, err := filepath.EvalSymlinks(filepath.Join(dir, "sock"))
			must(t, err)
			must(t, os.RemoveAll(was))
			for _, path := range []string{"supervisor.lock", "supervisor.sock", "runs/latest", "runs/.current"} {
				must(t, os.Remove(filepath.Join(dir, path)))
			}
			s.secondIsLockedOut()
			for _, path := range []string{"supervisor.lock", "supervisor.sock", "runs/latest", "runs/.current"} {
				s.log.await(t, "something was removed from the state directory, and is made again", "path", path)
			}
			// Handlers start again. Those of the pool are older, so more are needed.
			beta, gamma := s.greet(rawclient.Hello("beta"), 0), s.greet(rawclient.Hello("gamma"), 0)
			s.closeInOrder(gamma, 0)
			s.log.await(t, "the folder for the handlers' sockets was removed, and is made again; handlers that had "+
				"theirs in it keep serving, but no other supervisor can adopt them")
			expect.Eventually(t, func() error { // gamma's handler is gone
				if n := s.status().GetHandlersBusy(); n != 2 {
					return fmt.Errorf("%d handlers are at work; want two", n)
				}
				return nil
			})
			handlers := filepath.Join(s.dir, "handlers")
			must(t, os.RemoveAll(handlers))
			s.log.await(t, "something was removed from the state directory, and is made again", "path", handlers)
			if list, bad, err := rundir.NewRoster(handlers).Load(); err != nil || len(bad) > 0 || len(list) != 2 {
				t.Errorf("%s holds %v, %v, %v; want the two handlers that are at work", handlers, list, bad, err)
			}
			s.deliver(alpha, 4, 6)
			if st := s.status(); st.GetState() != "running" || st.GetHandlersBusy() != 2 {
				t.Errorf("status %v; want two at work", st)
			}
			s.secondIsLockedOut()
			now, err := filepath.EvalSymlinks(filepath.Join(dir, "sock"))
			must(t, err)
			s.interrupts <- os.Interrupt
			s.closeInOrder(alpha, 6)
			s.closeInOrder(beta, 0)
			must(t, s.ended())
			wantNoSockets(t, dir, was, now)
		})
	}
}

// A state directory that was copied under a running supervisor has its links and locks, but
// is another one: a supervisor on the copy takes nothing from the first, and neither removes
// what is the other's when it ends.
func TestACopiedStateDirIsAnotherOne(t *testing.T) {
	t.Parallel()
	for name, dir := range stateDirs(t) {
		t.Run(name, func(t *testing.T) {
			first := start(t, func(c *supervisor.Config) { c.StateDir, c.Clients.Count, c.Handler.Pool = dir, 3, 1 })
			c := first.greet(rawclient.Hello("alpha"), 0)
			first.deliver(c, 1, 3)
			target, err := filepath.EvalSymlinks(filepath.Join(dir, "sock"))
			must(t, err)
			copied := dir[:len(dir)-1] + "C"
			must(t, os.Mkdir(copied, 0o755))
			if link, err := os.Readlink(filepath.Join(dir, "sock")); err == nil {
				must(t, os.Symlink(link, filepath.Join(copied, "sock")))
			}
			second := start(t, func(c *supervisor.Config) { c.StateDir = copied })
			second.serveWhole("other")
			second.wait()
			if info, err := os.Stat(target); err != nil || !info.IsDir() {
				t.Fatalf("the second removed the folder of the first's sockets: %v", err)
			}
			for _, name := range []string{"beta", "gamma"} { // more than the pool had
				first.serveWhole(name)
			}
			if n := first.log.count("the folder for the handlers' sockets was removed, and is made again; handlers " +
				"that had theirs in it keep serving, but no other supervisor can adopt them"); n > 0 {
				t.Error("the second took the folder of the first's sockets")
			}
			first.closeInOrder(c, 3)
			if rep := first.wait(); !rep.Complete() {
				t.Errorf("verdict %+v; want complete", rep.Verdict)
			}
			wantNoSockets(t, dir, target)
		})
	}
}

// What cannot be made again ends the run with a word about it: nothing is acknowledged that
// is not kept.
func TestARunWithoutItsJournalEnds(t *testing.T) {
	t.Parallel()
	for what, path := range map[string]string{
		"the folder of the run":                "",
		"the folder of the journal":            "journal",
		"a part of the journal, 00000001.seg,": "journal/00000001.seg",
	} {
		s := start(t, nil)
		c := s.greet(rawclient.Hello("alpha"), 0)
		s.deliver(c, 1, 3)
		s.log.await(t, "client joined")
		must(t, os.RemoveAll(filepath.Join(s.dir, path)))
		if err := s.ended(); err == nil || !strings.Contains(err.Error(), what) ||
			!strings.Contains(err.Error(), "was removed") {
			t.Errorf("the supervisor ended with %v; want a word about %s", err, what)
		}
	}
}
