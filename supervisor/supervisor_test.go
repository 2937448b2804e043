package supervisor_test

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"bulkhead/internal/exitstatus"
	"bulkhead/internal/testing/rawclient"
	"bulkhead/supervisor"
	"bulkhead/supervisor/report"
)

func TestARunFromHelloToReport(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	c := s.dial()
	w, err := c.Greet(rawclient.Hello("alpha"))
	must(t, err)
	if w.GetResumeAfter() != 0 || w.GetRunId() != filepath.Base(s.dir) {
		t.Errorf("Welcome = %v", w)
	}
	must(t, c.SendBatch(1, 10))
	must(t, c.SendBatch(11, 11))
	must(t, c.AwaitAck(11))
	s.closeInOrder(c, 11)
	rep := s.wait()
	if s.result.Verdict != report.WordComplete || s.result.Runs != 1 || !rep.Complete() {
		t.Errorf("result = %+v; want one complete run", s.result)
	}
	if got := wantClient(t, rep, "alpha", "closed", "said goodbye"); got.Messages != 11 || got.Resumes != 0 {
		t.Errorf("%d messages, %d resumes; want 11 and none", got.Messages, got.Resumes)
	}
	if len(rep.Handlers) != 1 || rep.Handlers[0].Exit == nil || rep.Handlers[0].Exit.Class != "clean" ||
		rep.Handlers[0].Messages != 11 {
		t.Errorf("handlers %+v; want one that ended in order after 11 messages", rep.Handlers)
	}
	for _, name := range []string{"run.json", "report.txt", "report.json"} {
		if info, err := os.Stat(filepath.Join(s.dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if latest, err := os.Readlink(filepath.Join(s.state, "runs", "latest")); err != nil ||
		latest != filepath.Base(s.dir) {
		t.Errorf("latest points at %q, %v", latest, err)
	}
	for _, name := range []string{"sock", "supervisor.sock"} {
		if _, err := os.Lstat(filepath.Join(s.state, name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left: %v", name, err)
		}
	}
}

// The run waits for as many clients as it expects, whatever comes in between.
func TestARunWaitsForAllItsClients(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *supervisor.Config) { c.Clients.Count = 3 })
	s.serveWhole("alpha")
	second := s.greet(rawclient.Hello("beta"), 0)
	s.serveWhole("gamma")
	s.deliver(second, 1, 1)
	s.closeInOrder(second, 1)
	if rep := s.wait(); !rep.Complete() || rep.Run.JoinedClients != 3 {
		t.Errorf("verdict %+v of %d clients; want three and complete", rep.Verdict, rep.Run.JoinedClients)
	}
}

// A client that nobody expected is served too, when it comes while the run lingers.
func TestARunLingers(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *supervisor.Config) { c.Linger = patience })
	s.serveWhole("alpha")
	s.serveWhole("beta")
	s.interrupts <- syscall.SIGTERM // rather than wait
	rep := s.wait()
	wantClient(t, rep, "alpha", "closed", "")
	wantClient(t, rep, "beta", "closed", "")
	if !rep.Complete() {
		t.Errorf("verdict %+v; want complete", rep.Verdict)
	}
}

func TestKeepRunningServesOneRunAfterTheOther(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *supervisor.Config) { c.KeepRunning = true })
	s.serveWhole("alpha")
	first := <-s.reports // a client that comes before it is told to come again
	s.serveWhole("beta")
	second := <-s.reports
	wantClient(t, first, "alpha", "closed", "")
	wantClient(t, second, "beta", "closed", "")
	if !first.Complete() || !second.Complete() || first.Run.ID == second.Run.ID ||
		len(first.Clients)+len(second.Clients) != 2 {
		t.Errorf("runs %s %+v and %s %+v; want two complete ones of one client", first.Run.ID, first.Verdict,
			second.Run.ID, second.Verdict)
	}
	s.interrupts <- syscall.SIGTERM
	must(t, s.ended())
	select {
	case third := <-s.reports: // nobody came to it
		t.Errorf("a third run is reported: %+v", third.Verdict)
	default:
	}
	if s.result.Runs != 2 || s.result.Verdict != report.WordComplete {
		t.Errorf("result = %+v; want two runs, counted as complete", s.result)
	}
	entries, err := os.ReadDir(filepath.Join(s.state, "runs"))
	must(t, err)
	latest, err := os.Readlink(filepath.Join(s.state, "runs", "latest"))
	if err != nil || latest != second.Run.ID || len(entries) != 3 {
		t.Errorf("latest is %q, %v, among %v; want the second run, and two", latest, err, entries)
	}
	s.check()
}

func TestGarbageIsRejectedAndMakesNothingPartial(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	alpha := s.greet(rawclient.Hello("alpha"), 0)
	garbage, err := net.Dial("tcp", s.addr)
	must(t, err)
	_, err = io.WriteString(garbage, "SSH-2.0-OpenSSH_9.6\r\n")
	must(t, err)
	must(t, garbage.SetReadDeadline(time.Now().Add(patience)))
	if _, err := io.Copy(io.Discard, garbage); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection stays open")
	}
	garbage.Close()
	s.log.await(t, "connection rejected")
	s.deliver(alpha, 1, 3)
	s.closeInOrder(alpha, 3)
	rep := s.wait()
	if !rep.Complete() || len(rep.Rejections) != 1 ||
		!strings.Contains(rep.Rejections[0].Reason, "does not speak gRPC") {
		t.Errorf("verdict %+v, rejections %+v; want complete with one that is not gRPC", rep.Verdict, rep.Rejections)
	}
}

func TestTokenIsAskedFor(t *testing.T) {
	t.Parallel()
	const token = "open sesame"
	s := start(t, func(c *supervisor.Config) { c.Token = token })
	for given, want := range map[string]string{"": "a token is required", "guess": "wrong token",
		token + "x": "wrong token"} {
		h := rawclient.Hello("mallory")
		h.Token = given
		_, err := s.dial().Greet(h)
		wantStatus(t, err, codes.Unauthenticated, want)
	}
	h := rawclient.Hello("alpha")
	h.Token = token
	s.closeInOrder(s.greet(h, 0), 0)
	rep := s.wait()
	if rep.Complete() || len(rep.Rejections) != 3 || len(rep.Clients) != 1 {
		t.Errorf("verdict %+v, %d rejections, %d clients; want partial, 3, 1", rep.Verdict, len(rep.Rejections),
			len(rep.Clients))
	}
	for _, r := range rep.Rejections {
		if r.ClientName != "mallory" {
			t.Errorf("rejection %+v does not name the client", r)
		}
	}
	err := filepath.WalkDir(s.state, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if strings.Contains(string(data), token) {
			t.Errorf("%s holds the token", path)
		}
		return err
	})
	must(t, err)
}

func TestConfigThatCannotWorkStartsNothing(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	for name, change := range map[string]func(*supervisor.Config){
		"a listen address without sense": func(c *supervisor.Config) { c.Listen = "nowhere" },
		"no handler": func(c *supervisor.Config) {
			c.Handler.Path = filepath.Join(t.TempDir(),
				"missing")
		},
		"a handler that is a folder":       func(c *supervisor.Config) { c.Handler.Path = t.TempDir() },
		"a handler that cannot be run":     func(c *supervisor.Config) { c.Handler.Path = file },
		"a state directory that is a file": func(c *supervisor.Config) { c.StateDir = file },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := settings(filepath.Join(t.TempDir(), "state"))
			cfg.Ready = func(supervisor.Ready) { t.Error("it got ready") }
			change(&cfg)
			if _, err := supervisor.Run(t.Context(), cfg, nil); !errors.Is(err, exitstatus.ErrConfig) {
				t.Errorf("Run = %v; want ErrConfig", err)
			}
		})
	}
}

// An address that is in use may be free the next time: that is no fault of the
// configuration, and leaves nothing behind that was not there.
func TestAnAddressInUse(t *testing.T) {
	t.Parallel()
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer busy.Close()
	dir := t.TempDir()
	cfg := settings(filepath.Join(dir, "not", "there"))
	cfg.Listen = busy.Addr().String()
	_, err = supervisor.Run(t.Context(), cfg, nil)
	if err == nil || errors.Is(err, exitstatus.ErrConfig) || !strings.Contains(err.Error(), cfg.Listen+" is in use") {
		t.Errorf("Run = %v; want that the address is in use", err)
	}
	left, err := os.ReadDir(dir)
	must(t, err)
	if len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}
