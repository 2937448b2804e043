package supervisor_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor"
	"bulkhead/supervisor/control"
	"bulkhead/supervisor/journal"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/fold"
)

// running is a supervisor of a test.
type running struct {
	t          *testing.T
	addr       string
	http       string // where browsers connect; "" if they are not served
	state      string // the state directory
	dir        string // the first run's
	log        *events
	interrupts chan os.Signal
	reports    chan *report.Report // receives each run's
	done       chan struct{}
	result     supervisor.Result // set when done is closed
	err        error             // set when done is closed
}

// start starts a supervisor on a free port, and stops it after the test. By
// default it expects one client, does not linger and is patient.
func start(t *testing.T, change func(*supervisor.Config)) *running {
	t.Helper()
	r := &running{
		t: t, log: newEvents(t.Output()), interrupts: make(chan os.Signal, 2),
		reports: make(chan *report.Report, 8), done: make(chan struct{}),
	}
	cfg := settings(filepath.Join(t.TempDir(), "state"))
	cfg.DrainTimeout = patience
	cfg.Handler.Pool, cfg.Handler.StartTimeout, cfg.Handler.KillTimeout = 2, patience, patience
	cfg.Session.Grace, cfg.Session.HelloTimeout, cfg.Session.ClientTimeout = patience, patience, patience
	cfg.Overload.CrashDelay = 0 // all clients have one address here
	cfg.Logger = r.log.logger()
	cfg.Report = func(rep *report.Report, _ string) { r.reports <- rep }
	ready := make(chan supervisor.Ready, 1)
	cfg.Ready = func(rd supervisor.Ready) { ready <- rd }
	if change != nil {
		change(&cfg)
	}
	r.state = cfg.StateDir
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer close(r.done)
		r.result, r.err = supervisor.Run(ctx, cfg, r.interrupts)
	}()
	t.Cleanup(func() { cancel(); <-r.done })
	select {
	case rd := <-ready:
		r.addr, r.dir, r.http = rd.Listen, rd.RunDir, rd.HTTP
	case <-r.done:
		t.Fatalf("the supervisor ended: %v", r.err)
	}
	return r
}

// ended waits for the end of the supervisor and returns its error.
func (r *running) ended() error {
	r.t.Helper()
	select {
	case <-r.done:
	case <-time.After(patience):
		r.t.Fatal("the supervisor does not end")
	}
	return r.err
}

// wait waits for the end of the supervisor, which must be in order, and returns
// the first run's report. Journal and report must agree.
func (r *running) wait() *report.Report {
	r.t.Helper()
	must(r.t, r.ended())
	r.check()
	rep := <-r.reports
	again, err := fold.FromJournal(filepath.Join(r.dir, "journal"))
	must(r.t, err)
	if again.Complete() != rep.Complete() || len(rep.Journal.Violations) > 0 {
		r.t.Errorf("the report is %+v, %v; its journal says %+v", rep.Verdict, rep.Journal.Violations, again.Verdict)
	}
	for _, h := range rep.Handlers {
		if h.Exit != nil && h.Exit.Class == report.ExitSandbox {
			r.t.Errorf("handler %d of %q: %s; dmesg may name the call", h.Pid, h.Client, h.Exit.Cause)
		}
	}
	return rep
}

// check checks the first run's journal.
func (r *running) check() {
	r.t.Helper()
	found, err := journal.Check(filepath.Join(r.dir, "journal"))
	must(r.t, err)
	if err := found.Err(); err != nil {
		r.t.Error(err)
	}
	if found.Summary.Torn != nil {
		r.t.Errorf("the journal is torn: %+v", found.Summary.Torn)
	}
}

// records returns the records of the first run's journal.
func (r *running) records() []*bulkheadv1.Record {
	r.t.Helper()
	var all []*bulkheadv1.Record
	_, err := journal.Replay(filepath.Join(r.dir, "journal"), func(rec *bulkheadv1.Record) error {
		all = append(all, rec)
		return nil
	})
	must(r.t, err)
	return all
}

// durable returns the last message of a session in the journal.
func (r *running) durable(session uint32) uint64 {
	r.t.Helper()
	var last uint64
	for _, rec := range r.records() {
		if b := rec.GetSessionBatch(); b.GetSession() == session {
			last = max(last, b.GetLastSeq())
		}
	}
	return last
}

// detached returns the causes for which a session lost its connections.
func (r *running) detached(session uint32) []string {
	r.t.Helper()
	var causes []string
	for _, rec := range r.records() {
		if d := rec.GetSessionDetached(); d != nil && d.GetSession() == session {
			causes = append(causes, d.GetCause())
		}
	}
	return causes
}

// control connects to the control socket until the end of the test.
func (r *running) control() *control.Client {
	r.t.Helper()
	ctl, err := control.Dial(r.t.Context(), r.state)
	must(r.t, err)
	r.t.Cleanup(func() { ctl.Close() })
	return ctl
}

// status returns what the control socket says now.
func (r *running) status() *bulkheadv1.StatusResponse {
	r.t.Helper()
	st, err := r.control().Status(r.t.Context(), &bulkheadv1.StatusRequest{})
	must(r.t, err)
	return st
}

// session returns the status of the session with a client's name.
func (r *running) session(name string) *bulkheadv1.SessionStatus {
	r.t.Helper()
	for _, s := range r.status().GetSessions() {
		if s.GetName() == name {
			return s
		}
	}
	r.t.Fatalf("no session of %s", name)
	return nil
}

// killHandler kills the handler that serves a client which has joined.
func (r *running) killHandler(name string) {
	r.t.Helper()
	r.log.await(r.t, "client joined", "client", name)
	pid := int(r.session(name).GetHandlerPid())
	if pid == 0 {
		r.t.Fatalf("no handler serves %s", name)
	}
	must(r.t, syscall.Kill(pid, syscall.SIGKILL))
}

// dial connects a client that ends with the test.
func (r *running) dial() *rawclient.Client {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	c, err := rawclient.Dial(ctx, r.addr)
	must(r.t, err)
	r.t.Cleanup(func() { c.Close(); cancel() })
	return c
}

// greet connects a client and says Hello; the Welcome must say resumeAfter.
func (r *running) greet(h *bulkheadv1.Hello, resumeAfter uint64) *rawclient.Client {
	r.t.Helper()
	c := r.dial()
	w, err := c.Greet(h)
	must(r.t, err)
	if w.GetResumeAfter() != resumeAfter {
		r.t.Fatalf("%s is to resume after %d; want %d", h.GetName(), w.GetResumeAfter(), resumeAfter)
	}
	return c
}

// deliver sends messages first to last and waits until they are durable.
func (r *running) deliver(c *rawclient.Client, first, last uint64) {
	r.t.Helper()
	must(r.t, c.SendBatch(first, last))
	must(r.t, c.AwaitAck(last))
}

// closeInOrder sends Goodbye after message last and takes the end of the stream.
func (r *running) closeInOrder(c *rawclient.Client, last uint64) {
	r.t.Helper()
	must(r.t, c.Goodbye(last))
	if err := c.End(); !errors.Is(err, io.EOF) {
		r.t.Fatalf("the stream ended with %v; want io.EOF", err)
	}
}

// serveWhole serves a client from Hello to the end, which shows that the
// supervisor is well.
func (r *running) serveWhole(name string) {
	r.t.Helper()
	c := r.greet(rawclient.Hello(name), 0)
	r.deliver(c, 1, 3)
	r.closeInOrder(c, 3)
}

// wantStatus checks the end of a client's stream.
func wantStatus(t *testing.T, err error, code codes.Code, text string) {
	t.Helper()
	if st := status.Convert(err); st.Code() != code || !strings.Contains(st.Message(), text) {
		t.Errorf("the client got %v; want %v with %q", err, code, text)
	}
}

// wantClient checks how a client ended in a report.
func wantClient(t *testing.T, rep *report.Report, name, outcome, cause string) report.Client {
	t.Helper()
	for _, c := range rep.Clients {
		if c.Name != name {
			continue
		}
		if c.Outcome != outcome || !strings.Contains(c.Cause, cause) {
			t.Errorf("%s is %s (%s); want %s with %q", name, c.Outcome, c.Cause, outcome, cause)
		}
		return c
	}
	t.Fatalf("the report does not know %s", name)
	return report.Client{}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
