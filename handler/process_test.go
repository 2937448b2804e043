package handler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bulkhead/internal/child"
	"bulkhead/internal/fdpass"
	"bulkhead/internal/protocol"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// longGrace is an orphan grace that no test waits out. It also ends what a test leaves
// behind that is killed itself.
const longGrace = 2 * patience

// Environment entries that make this test binary another program.
const (
	roleEntry    = "HANDLER_TEST_ROLE"
	socketsEntry = "HANDLER_TEST_SOCKETS"
	graceEntry   = "HANDLER_TEST_GRACE"
)

// ended is the exit status of a handler that came to its end.
const ended = 7

// behave runs as the other program.
func behave(role string) int {
	switch role {
	case "handler":
		if err := Run(context.Background()); err != nil {
			return 1
		}
		return 0
	case "told to end as it ends":
		_ = Run(context.Background()) // nobody started it: it has nothing to do
		runtime.LockOSThread()
		_ = unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGTERM) // taken before the call returns
		return ended
	case "supervisor", "supervisor without a client":
		if err := supervise(role == "supervisor"); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		return 1
	default:
		return 2
	}
}

// introduction is what the supervisor says first, as JSON.
type introduction struct {
	Address string
	Handler child.Record
}

// childConfig returns how a handler is started; its log is this process's stderr.
func childConfig(dir string) child.Config {
	return child.Config{
		Name: "handler", Path: os.Args[0], Env: []string{roleEntry + "=handler"},
		SocketDir: dir, BoxBytes: 1 << 16, MaxMessageBytes: protocol.MaxHandlerMessageBytes,
		StartTimeout: patience, KillTimeout: patience,
	}
}

// supervise acts as a supervisor of one handler: it lets one client in and acknowledges
// message 1 only, and says the last message of each batch. It waits to be killed.
func supervise(client bool) error {
	c, err := child.Start(context.Background(), childConfig(os.Getenv(socketsEntry)))
	if err != nil {
		return err
	}
	rec, err := c.Record()
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(introduction{l.Addr().String(), rec}); err != nil {
		return err
	}
	if !client {
		select {}
	}
	conn, err := l.Accept()
	if err != nil {
		return err
	}
	grace, err := time.ParseDuration(os.Getenv(graceEntry))
	if err != nil {
		return err
	}
	stream, err := bulkheadv1.NewHandlerServiceClient(c.Conn()).Serve(context.Background())
	if err != nil {
		return err
	}
	err = errors.Join(
		stream.Send(openFrame(0, grace)),
		c.SendSocket(fdpass.Handover{ID: connectionID}, conn.(*net.TCPConn), time.Now().Add(patience)),
		conn.Close(),
		stream.Send(welcomeFrame(0)),
	)
	for err == nil {
		var f *bulkheadv1.HandlerFrame
		f, err = stream.Recv()
		if b := f.GetBatch(); b != nil {
			for seq := b.GetFirstSeq(); seq <= b.GetLastSeq(); seq++ {
				err = errors.Join(err, out.Encode(seq))
			}
		}
		if f.GetBatch().GetFirstSeq() == 1 {
			err = errors.Join(err, stream.Send(ackFrame(1)))
		}
	}
	return err
}

func openFrame(resumeAfter uint64, grace time.Duration) *bulkheadv1.SupervisorFrame {
	return &bulkheadv1.SupervisorFrame{Frame: &bulkheadv1.SupervisorFrame_Open{Open: &bulkheadv1.Open{
		ConnectionId: connectionID, Limits: smallLimits(), ResumeAfter: resumeAfter,
		HelloTimeoutNano: int64(patience), ClientTimeoutNano: int64(patience), OrphanGraceNano: int64(grace),
	}}}
}

// running is a supervisor process with one handler.
type running struct {
	introduction
	t    *testing.T
	cmd  *exec.Cmd
	says *json.Decoder
	dir  string
	fd   int // the handler's pidfd
}

// run starts a supervisor process and checks after the test that nothing of it and
// its handler is left.
func run(t *testing.T, role string, grace time.Duration) *running {
	t.Helper()
	r := &running{t: t, cmd: exec.Command(os.Args[0]), dir: t.TempDir()}
	r.cmd.Env = []string{roleEntry + "=" + role, socketsEntry + "=" + r.dir, graceEntry + "=" + grace.String()}
	r.cmd.Stderr = os.Stderr
	out, err := r.cmd.StdoutPipe()
	must(t, err)
	must(t, r.cmd.Start())
	t.Cleanup(r.kill)
	r.says = json.NewDecoder(out)
	must(t, r.says.Decode(&r.introduction))
	r.fd, err = unix.PidfdOpen(r.Handler.Pid, 0)
	must(t, err)
	t.Cleanup(func() {
		r.wantEnd()
		unix.Close(r.fd)
		if left, err := os.ReadDir(r.dir); err != nil || len(left) > 0 {
			t.Errorf("left in the folder for sockets: %v, %v", left, err)
		}
	})
	return r
}

// kill kills the supervisor; more than once does nothing.
func (r *running) kill() {
	if r.cmd.ProcessState == nil {
		_ = r.cmd.Process.Kill()
		_ = r.cmd.Wait() // killed, as asked
	}
}

// wantEnd waits for the end of the handler, and kills one that does not.
func (r *running) wantEnd() {
	r.t.Helper()
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(r.fd), Events: unix.POLLIN}}, int(patience.Milliseconds()))
		if err == unix.EINTR {
			continue
		}
		if n == 0 {
			r.t.Errorf("the handler %d does not end", r.Handler.Pid)
			_ = unix.PidfdSendSignal(r.fd, unix.SIGKILL, nil, 0)
		}
		return
	}
}

// awaitBatch waits until the supervisor has a batch that ends in message last.
func (r *running) awaitBatch(last uint64) {
	r.t.Helper()
	for got := uint64(0); got != last; {
		must(r.t, r.says.Decode(&got))
	}
}

// client connects a client and lets it say Hello.
func (r *running) client() *rawclient.Client {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	c, err := rawclient.Dial(ctx, r.Address)
	must(r.t, err)
	r.t.Cleanup(func() { c.Close(); cancel() })
	_, err = c.Greet(rawclient.Hello("alpha"))
	must(r.t, err)
	return c
}

// adopt adopts the handler and serves it.
func (r *running) adopt(resumeAfter uint64) (*child.Child, *supervisor) {
	r.t.Helper()
	c, err := child.Adopt(context.Background(), childConfig(r.dir), r.Handler, nil)
	must(r.t, err)
	r.t.Cleanup(func() { c.Kill() })
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	r.t.Cleanup(cancel)
	service := bulkheadv1.NewHandlerServiceClient(c.Conn())
	p, err := service.Probe(ctx, &bulkheadv1.ProbeRequest{})
	must(r.t, err)
	if p.GetPid() != int32(r.Handler.Pid) || p.GetConnectionId() != connectionID || p.GetProtocolVersion() != 1 {
		r.t.Errorf("Probe = %v; want process %d with connection %d", p, r.Handler.Pid, connectionID)
	}
	stream, err := service.Serve(ctx)
	must(r.t, err)
	s := &supervisor{HandlerService_ServeClient: stream, t: r.t, cancel: cancel}
	s.send(openFrame(resumeAfter, longGrace))
	return c, s
}

// A supervisor is killed in the middle of a session. The client continues, and the next
// supervisor adopts the handler, misses nothing and ends the session in order.
func TestAHandlerOutlivesItsSupervisor(t *testing.T) {
	r := run(t, "supervisor", longGrace)
	c := r.client()
	must(t, c.SendBatch(1, 1))
	must(t, c.AwaitAck(1))
	must(t, c.SendBatch(2, 4))
	r.kill()
	must(t, c.SendBatch(5, 5))
	adopted, s := r.adopt(1)
	if f := s.next(); f.GetHello().GetName() != "alpha" {
		t.Fatalf("got %v; want the Hello again", f)
	}
	s.wantBatch(2, 5)
	s.send(ackFrame(5))
	must(t, c.AwaitAck(5))
	must(t, c.Goodbye(5))
	s.wantGoodbye(5)
	s.send(finishFrame())
	if err := c.End(); !errors.Is(err, io.EOF) {
		t.Errorf("the client's stream ended with %v; want io.EOF", err)
	}
	if e := s.next().GetEnd(); e.GetClass() != finished || e.GetMessages() != 5 {
		t.Errorf("End = %v; want finished after 5 messages", e)
	}
	must(t, s.CloseSend())
	<-adopted.Done() // by itself: it has no line, and nothing more to do
	if e := adopted.Kill(); e.Class() != bulkheadv1.ExitClass_EXIT_CLASS_CLEAN {
		t.Errorf("the handler's exit = %v; want a clean one", e)
	}
}

func TestAnOrphanSendsItsClientAwayAfterTheGrace(t *testing.T) {
	r := run(t, "supervisor", 300*time.Millisecond)
	c := r.client()
	r.kill()
	if st := status.Convert(c.End()); st.Code() != codes.Unavailable || st.Message() != "the supervisor is gone" {
		t.Errorf("the client got %v; want Unavailable and why", st)
	}
	r.wantEnd()
}

func TestAHandlerWithoutAClientEndsWithItsSupervisor(t *testing.T) {
	r := run(t, "supervisor without a client", longGrace)
	r.kill()
	r.wantEnd()
}

func TestAnOrphanWhoseClientWentEnds(t *testing.T) {
	r := run(t, "supervisor", longGrace)
	c := r.client()
	must(t, c.SendBatch(1, 1))
	must(t, c.AwaitAck(1))
	r.kill()
	must(t, c.Close())
	r.wantEnd()
}

// What a client sent before it went is kept for the next supervisor.
func TestAnOrphanKeepsTheBatchesOfAClientThatWent(t *testing.T) {
	r := run(t, "supervisor", longGrace)
	c := r.client()
	must(t, c.SendBatch(1, 1))
	must(t, c.AwaitAck(1))
	must(t, c.SendBatch(2, 3))
	r.awaitBatch(3) // it is in the handler, and not acknowledged
	r.kill()
	must(t, c.Close())
	adopted, s := r.adopt(1)
	s.next()
	s.wantBatch(2, 3)
	if e := s.next().GetEnd(); e.GetClass() != streamOff && e.GetClass() != gone {
		t.Errorf("End = %v; want that the client cancelled its stream, or closed the connection", e)
	}
	adopted.Stop(t.Context()) // nobody acknowledged the batch: it would wait for a supervisor that does
}

func TestAnOrphanEndsAtSIGTERM(t *testing.T) {
	r := run(t, "supervisor", longGrace)
	c := r.client()
	r.kill()
	must(t, unix.PidfdSendSignal(r.fd, unix.SIGTERM, nil, 0))
	r.wantEnd()
	if st := status.Convert(c.End()); st.Code() != codes.Unavailable {
		t.Errorf("the client got %v; want Unavailable", st)
	}
}

// stop is a live supervisor's way to end a handler, client or not.
func TestStopEndsAHandlerAtOnce(t *testing.T) {
	for _, with := range []bool{true, false} {
		dir := t.TempDir()
		h, err := child.Start(context.Background(), childConfig(dir))
		must(t, err)
		if with {
			near, far := socketPair(t)
			must(t, h.SendSocket(fdpass.Handover{ID: connectionID}, far, time.Now().Add(patience)))
			defer near.Close()
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if e := h.Stop(ctx); e.Class() != bulkheadv1.ExitClass_EXIT_CLASS_CLEAN {
			t.Errorf("with a client %v: exit = %v; want a clean one", with, e)
		}
		if err := syscall.Kill(h.Pid(), 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("process %d is left: %v", h.Pid(), err)
		}
	}
}

// A supervisor without a line to a handler asks by SIGTERM, which may come when the handler ends
// already: it is no death by a signal.
func TestToldToEndAsItEnds(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = []string{roleEntry + "=told to end as it ends"}
	out, _ := cmd.CombinedOutput() // the status says more
	if state := cmd.ProcessState; state.ExitCode() != ended {
		t.Errorf("it ended with %v; want exit status %d; it said %q", state, ended, out)
	}
}
