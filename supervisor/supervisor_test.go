package supervisor_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"bulkhead/handler"
	"bulkhead/internal/child"
	"bulkhead/internal/collect"
	"bulkhead/supervisor"
	"bulkhead/supervisor/journal"
	"bulkhead/supervisor/report"
)

// TestMain makes this test binary a handler when a supervisor starts it.
func TestMain(m *testing.M) {
	if os.Getenv(child.Handshake().MagicCookieKey) != "" {
		if err := handler.Run(context.Background()); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// running is a supervisor of a test.
type running struct {
	t          *testing.T
	addr       string
	dir        string
	interrupts chan os.Signal
	done       chan struct{}
	result     supervisor.Result
	err        error
	report     *report.Report
}

// start starts a supervisor on a free port, with small times, and stops it after
// the test.
func start(t *testing.T, change func(*supervisor.Config)) *running {
	t.Helper()
	cfg := supervisor.Config{
		Listen: "127.0.0.1:0", StateDir: filepath.Join(t.TempDir(), "state"), Linger: 0,
		Handler: supervisor.HandlerConfig{Path: os.Args[0], Pool: 2, StartTimeout: 30 * time.Second, KillTimeout: 20 * time.Second},
		Session: supervisor.SessionConfig{Grace: 30 * time.Second, HelloTimeout: 20 * time.Second},
		Logger:  slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if change != nil {
		change(&cfg)
	}
	r := &running{t: t, interrupts: make(chan os.Signal, 2), done: make(chan struct{})}
	ready := make(chan supervisor.Ready, 1)
	cfg.Ready = func(rd supervisor.Ready) { ready <- rd }
	cfg.Report = func(rep *report.Report, _ string) { r.report = rep }
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer close(r.done)
		r.result, r.err = supervisor.Run(ctx, cfg, r.interrupts)
	}()
	t.Cleanup(func() { cancel(); <-r.done })
	select {
	case rd := <-ready:
		r.addr, r.dir = rd.Listen, rd.RunDir
	case <-r.done:
		t.Fatalf("the supervisor ended: %v", r.err)
	}
	return r
}

// wait waits for the end of the supervisor and checks the journal.
func (r *running) wait() {
	r.t.Helper()
	select {
	case <-r.done:
	case <-time.After(60 * time.Second):
		r.t.Fatal("the supervisor does not end")
	}
	if r.err != nil {
		r.t.Fatalf("the supervisor ended with %v", r.err)
	}
	check, err := journal.Check(filepath.Join(r.dir, "journal"))
	if err != nil {
		r.t.Fatal(err)
	}
	if err := check.Err(); err != nil {
		r.t.Error(err)
	}
}

// dial connects a client that ends with the test.
func (r *running) dial() *collect.Client {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	c, err := collect.Dial(ctx, r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close(); cancel() })
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestARunFromHelloToReport(t *testing.T) {
	s := start(t, nil)
	c := s.dial()
	w, err := c.Greet(collect.Hello("alpha"))
	must(t, err)
	if w.GetResumeAfter() != 0 || w.GetRunId() != filepath.Base(s.dir) {
		t.Errorf("Welcome = %v", w)
	}
	must(t, c.SendBatch(1, 10))
	must(t, c.SendBatch(11, 11))
	must(t, c.AwaitAck(11))
	must(t, c.Goodbye(11))
	if err := c.End(); !errors.Is(err, io.EOF) {
		t.Fatalf("the stream ended with %v; want io.EOF", err)
	}
	s.wait()
	if !s.result.Complete || s.result.Runs != 1 || !s.report.Complete() {
		t.Errorf("result = %+v; want one complete run", s.result)
	}
}

func TestSecondSignalEndsTheRunAtOnce(t *testing.T) {
	s := start(t, nil)
	c := s.dial()
	_, err := c.Greet(collect.Hello("alpha"))
	must(t, err)
	must(t, c.SendBatch(1, 3))
	must(t, c.AwaitAck(3))
	s.interrupts <- syscall.SIGINT
	f, err := c.Recv()
	must(t, err)
	if f.GetDrain() == nil {
		t.Fatalf("got %v; want a Drain", f)
	}
	s.interrupts <- syscall.SIGINT
	s.wait()
	if s.result.Complete {
		t.Error("the run counts as complete; want partial")
	}
}
