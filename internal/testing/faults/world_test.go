package faults_test

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"bulkhead/internal/certs"
	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/control"
)

// settings are a supervisor's, where a test has a need.
type settings struct {
	clients       int
	grace         time.Duration // session.grace; patience if 0
	clientTimeout time.Duration // session.client_timeout; patience if 0
	more          []string      // further flags
	failpoints    string        // BULKHEAD_FAILPOINTS of the first supervisor
	stateDir      string        // a new one if empty
	secure        bool          // TLS, with a certificate of each client
}

// world is a supervisor in a process of its own, restarted where a test kills it, and
// the clients that talk to it.
type world struct {
	t        *testing.T
	bin      string
	settings settings
	dir      string // a folder of this test alone
	*harness.Supervisor
	before  []*harness.Supervisor // that were killed
	senders []*rawclient.Sender
	clients []*harness.Client
	runDir  string // of the first supervisor
	addr    string // of the first supervisor
	ctx     context.Context
}

// newWorld starts a supervisor. After the test everything it or its clients started
// is killed if it still runs.
func newWorld(t *testing.T, set settings) *world {
	t.Helper()
	bin := must1(built.plain())(t)
	if set.failpoints != "" {
		bin = must1(built.failing())(t)
	}
	dir := must1(os.MkdirTemp("", "bhf-"))(t)
	w := &world{t: t, bin: bin, settings: set, dir: dir}
	t.Cleanup(func() { w.clear() })
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	w.ctx = ctx
	if w.settings.stateDir == "" {
		w.settings.stateDir = filepath.Join(dir, "state")
	}
	if set.secure {
		w.makeCertificates()
	}
	w.launch("127.0.0.1:0", set.failpoints)
	expect.NoError(t, w.AwaitReady(patience))
	w.runDir, w.addr = w.RunDir, w.Addr
	return w
}

// file returns the path of one of the world's certificates or keys.
func (w *world) file(name string) string { return filepath.Join(w.dir, "certs", name) }

// makeCertificates makes the supervisor and all its clients speak TLS.
func (w *world) makeCertificates() {
	w.t.Helper()
	_, err := certs.Init(w.file(""), certs.Plan{Addresses: []string{"127.0.0.1"}, Clients: []string{"lab"},
		Valid: 24 * time.Hour})
	expect.NoError(w.t, err)
	w.settings.more = append(w.settings.more, "--tls-cert", w.file(certs.SupervisorFile),
		"--tls-key", w.file(certs.SupervisorKey), "--tls-client-ca", w.file(certs.CAFile))
}

// certified returns the TLS of a scripted client; nil for none.
func (w *world) certified() *tls.Config {
	w.t.Helper()
	if !w.settings.secure {
		return nil
	}
	cert, key := certs.Files("lab")
	pair, err := certs.LoadPair(w.file(cert), w.file(key))
	expect.NoError(w.t, err)
	pool, err := certs.LoadPool(w.file(certs.CAFile))
	expect.NoError(w.t, err)
	return &tls.Config{RootCAs: pool, ServerName: "127.0.0.1", Certificates: []tls.Certificate{pair.TLS()}}
}

// pooled is how many handlers a supervisor keeps ready.
const pooled = 2

// launch starts a supervisor on the state directory.
func (w *world) launch(listen, failpoints string) {
	w.t.Helper()
	long := patience.String()
	or := func(d, otherwise time.Duration) string {
		if d == 0 {
			d = otherwise
		}
		return d.String()
	}
	args := append([]string{
		"--listen", listen, "--clients", fmt.Sprint(w.settings.clients), "--linger", "0s", "--drain-timeout", long,
		"--log-level", "debug", "--handler-pool", fmt.Sprint(pooled), "--handler-start-timeout", long,
		"--handler-kill-timeout", "10s",
		"--overload-crash-delay", "0s", // all clients come from one address
		"--session-hello-timeout", long, "--session-grace", or(w.settings.grace, patience),
		"--session-client-timeout", or(w.settings.clientTimeout, patience),
	}, w.settings.more...)
	cmd := harness.SupervisorCommand(w.bin, w.settings.stateDir, args...)
	cmd.Env = os.Environ()
	if failpoints != "" {
		cmd.Env = append(cmd.Env, "BULKHEAD_FAILPOINTS="+failpoints)
	}
	s, err := harness.Start(cmd, w.settings.stateDir)
	expect.NoError(w.t, err)
	if w.Supervisor != nil {
		w.before = append(w.before, w.Supervisor)
	}
	w.Supervisor = s
}

// again starts another supervisor in the place of one that was killed. One that has
// only to report does that and ends.
func (w *world) again(onlyReport bool) {
	w.t.Helper()
	w.launch(w.addr, "")
	if onlyReport {
		return
	}
	expect.NoError(w.t, w.AwaitReady(patience))
	if w.RunDir != w.runDir {
		w.t.Errorf("the supervisor that was started again serves the run in %s; want the unfinished one in %s",
			w.RunDir, w.runDir)
	}
}

// clear ends what a failed test has left, and says what happened.
func (w *world) clear() {
	if w.Supervisor == nil {
		return
	}
	if w.t.Failed() {
		w.keep()
		for _, s := range append(w.before, w.Supervisor) {
			w.t.Logf("the log of supervisor %d:\n%s", s.Pid(), tail(s.Log()))
		}
	}
	for _, c := range w.clients {
		c.Signal(syscall.SIGCONT)
		c.Kill()
		if w.t.Failed() {
			w.t.Logf("client %d printed:\n%s%s", c.Pid(), tail(c.Stdout.String()), tail(c.Stderr.String()))
		}
	}
	w.Signal(syscall.SIGCONT)
	w.Kill()
	for _, pid := range w.processes() {
		syscall.Kill(pid, syscall.SIGKILL) // its environment says that it is this test's
	}
	os.RemoveAll(w.dir)
}

// keepFailed is where the run directories of tests that failed are kept.
var keepFailed = flag.String("keep", "", "folder to keep the run directories of failed tests in")

// keep keeps the run directory of a test that failed, where that was asked for.
func (w *world) keep() {
	if *keepFailed == "" || w.runDir == "" {
		return
	}
	to := filepath.Join(*keepFailed, strings.ReplaceAll(w.t.Name(), "/", "-"))
	if err := os.CopyFS(to, os.DirFS(w.runDir)); err != nil {
		w.t.Logf("keeping the run directory: %v", err)
		return
	}
	w.t.Logf("the run directory is kept in %s", to)
}

// tail returns the end of a text.
func tail(text string) string {
	const most = 12 << 10
	return text[max(0, len(text)-most):]
}

// processes returns all children that any process of this test ever had and that still
// run, whoever their parent is now: each has the folder of its socket in its
// environment, and that is under the test's.
func (w *world) processes() []int {
	pids, err := harness.WithEnvironment("PLUGIN_UNIX_SOCKET_DIR=" + w.dir + "/")
	expect.NoError(w.t, err)
	return pids
}

// sender starts a scripted client that talks to addr.
func (w *world) sender(name, addr string, change func(*rawclient.SenderConfig)) *rawclient.Sender {
	w.t.Helper()
	cfg := rawclient.SenderConfig{
		Hello: rawclient.Hello(name), Addr: addr, Number: uint32(len(w.senders) + 1),
		Batch: 4, Window: 4, Every: 2 * time.Millisecond, TLS: w.certified(),
	}
	if change != nil {
		change(&cfg)
	}
	s := rawclient.NewSender(cfg)
	w.senders = append(w.senders, s)
	ctx, cancel := context.WithCancel(w.ctx)
	go s.Run(ctx) // ends with Finish, with an error or with the test
	w.t.Cleanup(func() { cancel(); <-s.Done() })
	return s
}

// client starts a real client that talks to addr: two consumers that write small
// files, and a monitor, all of which say something a few times a second.
func (w *world) client(name, addr string, args ...string) *harness.Client {
	w.t.Helper()
	dir := must1(os.MkdirTemp(w.dir, "client-"))(w.t)
	const often = "200ms"
	if !slices.Contains(args, "--config") { // of stages, which have a length of their own
		args = append([]string{"--runtime", "1h"}, args...)
	}
	args = append([]string{
		"--consumers", "2", "--chunk-size", "16KiB", "--file-size", "64KiB", "--keep-files", "1",
		"--heartbeat-interval", often, "--heartbeat-timeout", "100ms", "--monitor-interval", often,
		"--progress-interval", often,
		"--connect-timeout", patience.String(), "--deliver-timeout", patience.String(), "--kill-timeout", "5s",
	}, args...)
	if w.settings.secure {
		cert, key := certs.Files("lab")
		args = append(args, "--tls-ca", w.file(certs.CAFile), "--tls-cert", w.file(cert), "--tls-key", w.file(key))
	}
	c, err := harness.StartClient(w.bin, dir, addr, name, args...)
	expect.NoError(w.t, err)
	w.clients = append(w.clients, c)
	return c
}

// status returns what `bulkhead supervisor status` knows.
func (w *world) status() (*bulkheadv1.StatusResponse, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c, err := control.Dial(ctx, w.StateDir)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.Status(ctx, &bulkheadv1.StatusRequest{})
}

// session waits for the session of the client with that name to be as said, and
// returns it.
func (w *world) session(name string, as func(*bulkheadv1.SessionStatus) bool) *bulkheadv1.SessionStatus {
	w.t.Helper()
	var found *bulkheadv1.SessionStatus
	expect.Eventually(w.t, func() error {
		st, err := w.status()
		if err != nil {
			return err
		}
		for _, s := range st.GetSessions() {
			if s.GetName() == name && as(s) {
				found = s
				return nil
			}
		}
		return fmt.Errorf("client %s is not as it should be: %v", name, st.GetSessions())
	})
	return found
}

// serving reports whether a handler serves a session from which something has arrived.
func serving(s *bulkheadv1.SessionStatus) bool {
	return s.GetState() == "active" && s.GetHandlerPid() != 0 && s.GetDurableSeq() > 0
}

// handlers returns the supervisor's handler processes.
func (w *world) handlers() []int {
	w.t.Helper()
	pids, err := harness.Children(w.Pid(), "bulkhead-handler")
	expect.NoError(w.t, err)
	return pids
}

// spawner waits until the supervisor has a spawner other than that one, and returns its pid.
func (w *world) spawner(but int) (pid int) {
	w.t.Helper()
	expect.Eventually(w.t, func() error {
		pids, err := harness.Children(w.Pid(), harness.Spawner)
		if err == nil && (len(pids) != 1 || pids[0] == but) {
			err = fmt.Errorf("spawners = %v; want one other than %d", pids, but)
		}
		if err == nil {
			pid = pids[0]
		}
		return err
	})
	return pid
}

// drain asks for a drain, as an operator does.
func (w *world) drain() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := control.Dial(ctx, w.StateDir)
	expect.NoError(w.t, err)
	defer c.Close()
	_, err = c.Drain(ctx, &bulkheadv1.DrainRequest{Reason: "the test"})
	expect.NoError(w.t, err)
}

// upgrade asks for an upgrade, as an operator does, and returns what was said.
func (w *world) upgrade() (said string, err error) {
	out, err := exec.CommandContext(w.ctx, filepath.Join(w.bin, "bulkhead"), "supervisor", "upgrade", "--state-dir",
		w.StateDir).CombinedOutput()
	return string(out), err
}

// logged waits for a line of the supervisor's log.
func (w *world) logged(text string) {
	w.t.Helper()
	_, err := w.Await(patience, func(l harness.LogLine) bool { return strings.Contains(l.Text("msg"), text) })
	expect.NoError(w.t, err)
}

// inState waits until a process is in that state of proc(5).
func inState(t *testing.T, pid int, state string) {
	t.Helper()
	expect.Eventually(t, func() error {
		got, err := harness.State(pid)
		if err == nil && got != state {
			err = fmt.Errorf("process %d is in state %s; want %s", pid, got, state)
		}
		return err
	})
}

// must1 is like must, for a call that also returns a value.
func must1[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		expect.NoError(t, err)
		return v
	}
}

var errNotYet = errors.New("not yet")
