package isolation_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
)

// installed is a folder with a folder for each version, and a link to one of them.
type installed struct {
	t   *testing.T
	dir string
}

func (i installed) path(names ...string) string {
	return filepath.Join(append([]string{i.dir}, names...)...)
}

// use makes the link lead to a version, at once.
func (i installed) use(version string) {
	i.t.Helper()
	expect.NoError(i.t, os.Symlink(version, i.path("current.new")))
	expect.NoError(i.t, os.Rename(i.path("current.new"), i.path("current")))
}

// An upgrade executes what the path leads to by which the supervisor was started, not what
// it led to then; the command says what takes the place of what, and refuses if that is not
// the program that asks. The handlers are those beside the new program.
func TestUpgradeBehindALink(t *testing.T) {
	t.Parallel()
	other, err := faulty()
	expect.NoError(t, err)
	versions := map[string]string{"v1": bin, "v2": other}
	for name, start := range map[string]struct{ program, path string }{
		"a path in full":  {"", ""},
		"a relative path": {"./current/bulkhead", ""},
		"a name in PATH":  {"bulkhead", "current"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := installed{t, t.TempDir()}
			for version, from := range versions {
				expect.NoError(t, os.Mkdir(i.path(version), 0o755))
				for _, program := range []string{"bulkhead", "bulkhead-handler"} {
					install(t, filepath.Join(from, program), i.path(version, program))
				}
			}
			i.use("v1")
			cmd := commandFrom(i.path("current"), newStateDir(t), "--clients", "2")
			if start.program != "" { // Path is what is executed, Args[0] what the shell says
				cmd.Args[0], cmd.Dir, cmd.Env = start.program, i.dir, append(os.Environ(), "PWD="+i.dir)
			}
			if start.path != "" {
				cmd.Env = append(cmd.Env, "PATH="+i.path(start.path)+":"+os.Getenv("PATH"))
			}
			s := startCommand(t, cmd)
			l := startLoad(t, s, rawclient.Hello("early"), 1, 16, 4)
			l.goesOn(t)

			// Asked by the new program before the link leads to it.
			if said, err := s.upgrade(i.path("v2")); err == nil ||
				!strings.Contains(said, "the same as runs now, but this command is version ") ||
				!strings.Contains(said, "--any-version") {
				t.Errorf("upgrade to a program that does not ask: %v\n%s", err, said)
			}
			i.use("v2")
			// By the old one, when the link leads to the new one.
			if said, err := s.upgrade(i.path("v1")); err == nil ||
				!strings.Contains(said, i.path("current", "bulkhead")+" ("+resolve(t, i.path("v2", "bulkhead"))+
					") is version ") {
				t.Errorf("upgrade asked for by the old program: %v\n%s", err, said)
			}
			if got := s.status().GetRestarts(); got != 0 {
				t.Fatalf("%d restarts; want none", got)
			}
			said, err := s.upgrade(i.path("current"))
			if err != nil || !strings.Contains(said, "\n  from version ") ||
				!strings.Contains(said, "\n  to version ") ||
				!strings.Contains(said, resolve(t, i.path("v2", "bulkhead"))) {
				t.Fatalf("upgrade: %v\n%s", err, said)
			}
			s.restarts(1)
			runs(t, s, i.path("v2", "bulkhead"))
			late := startLoad(t, s, rawclient.Hello("late"), 2, 4, 2)
			late.goesOn(t)
			for _, pid := range busyHandlers(s) {
				exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
				expect.NoError(t, err)
				if exe == resolve(t, i.path("v2", "bulkhead-handler")) {
					said = ""
				}
			}
			if said != "" {
				t.Error("no handler is of the new version")
			}

			// The same program again is said to be that.
			if said, err := s.upgrade(i.path("current")); err != nil ||
				!strings.Contains(said, "the same program again") {
				t.Errorf("upgrade: %v\n%s", err, said)
			}
			s.restarts(2)
			// And by a signal, which cannot say what it means.
			i.use("v1")
			expect.NoError(t, s.Signal(syscall.SIGHUP))
			s.restarts(3)
			runs(t, s, i.path("v1", "bulkhead"))
			if _, err := s.Await(patience, func(line harness.LogLine) bool {
				return line.Text("msg") == "upgrading in place" && line.Text("from") != line.Text("to")
			}); err != nil {
				t.Error(err)
			}
			finishAll(t, []*load{l, late})
			s.finish(exitComplete)
		})
	}
}

// runs checks which program a supervisor is.
func runs(t *testing.T, s *running, want string) {
	t.Helper()
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", s.Pid()))
	expect.NoError(t, err)
	if want = resolve(t, want); exe != want {
		t.Fatalf("the supervisor is %s; want %s", exe, want)
	}
}

// resolve returns where a path leads.
func resolve(t *testing.T, path string) string {
	t.Helper()
	to, err := filepath.EvalSymlinks(path)
	expect.NoError(t, err)
	return to
}
