package supervisor_test

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/protobuf/proto"

	"bulkhead/internal/blackbox"
	"bulkhead/internal/child"
	"bulkhead/internal/testing/rawclient"
	"bulkhead/internal/testing/scripted"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor"
	"bulkhead/supervisor/journal"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/upgrade"
)

// lineEnv tells an earlier handler that whoever takes it up has its line.
const lineEnv = "SUPERVISOR_TEST_LINE"

// earlier is a handler as those of the program before checkpoints were, with go-plugin's own
// server: its client, which it only pretends to have, has said messages 1 to 6.
type earlier struct {
	bulkheadv1.UnimplementedHandlerServiceServer
	plugin.NetRPCUnsupportedPlugin
	hello *bulkheadv1.Hello
}

// serveAsEarlier acts as such a handler until it is asked to end.
func serveAsEarlier(encoded string) error {
	e := earlier{hello: new(bulkheadv1.Hello)}
	data, err := hex.DecodeString(encoded)
	if err = errors.Join(err, proto.Unmarshal(data, e.hello)); err != nil {
		return err
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM)
	go func() { // ends with the process
		if n, _ := unix.Read(3, make([]byte, 64)); n > 0 { // a bare end of file makes it an orphan
			os.Exit(0)
		}
	}()
	shake := child.Handshake()
	shake.ProtocolVersion = 1            // as it was before there was a spawner
	go plugin.Serve(&plugin.ServeConfig{ // ends with the process
		HandshakeConfig: shake, Logger: hclog.NewNullLogger(),
		Plugins: plugin.PluginSet{"bulkhead": e},
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(opts, grpc.KeepaliveEnforcementPolicy(
				keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}))...)
		},
	})
	select {
	case <-asked:
	case <-time.After(2 * patience): // whoever tests was killed, and nobody asks
	}
	if os.Getenv(lineEnv) != "" {
		return errors.New("asked by a signal, and there is a line")
	}
	return nil
}

func (e earlier) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	bulkheadv1.RegisterHandlerServiceServer(s, e)
	return nil
}

func (e earlier) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.ErrUnsupported
}

func (e earlier) Probe(context.Context, *bulkheadv1.ProbeRequest) (*bulkheadv1.ProbeResponse, error) {
	return &bulkheadv1.ProbeResponse{ProtocolVersion: 1, Pid: int32(os.Getpid()), ConnectionId: 1}, nil
}

func (e earlier) Serve(stream bulkheadv1.HandlerService_ServeServer) error {
	say := func(f *bulkheadv1.HandlerFrame) error { return stream.Send(f) }
	for {
		frame, err := stream.Recv()
		if err != nil {
			return err
		}
		switch f := frame.GetFrame().(type) {
		case *bulkheadv1.SupervisorFrame_Open:
			if f.Open.GetConnectionId() != 1 || f.Open.GetResumeAfter() != 3 {
				return fmt.Errorf("opened as %v", f.Open)
			}
			err = say(&bulkheadv1.HandlerFrame{Frame: &bulkheadv1.HandlerFrame_Hello{Hello: e.hello}})
		case *bulkheadv1.SupervisorFrame_Welcome:
			data, fails := proto.Marshal(rawclient.Batch(4, 6))
			err = errors.Join(fails, say(&bulkheadv1.HandlerFrame{Frame: &bulkheadv1.HandlerFrame_Batch{
				Batch: &bulkheadv1.SealedBatch{FirstSeq: 4, LastSeq: 6, Batch: data}}}))
		case *bulkheadv1.SupervisorFrame_Ack:
			if f.Ack.GetSeq() == 6 {
				err = say(&bulkheadv1.HandlerFrame{Frame: &bulkheadv1.HandlerFrame_Goodbye{
					Goodbye: &bulkheadv1.Goodbye{LastSeq: 6}}})
			}
		case *bulkheadv1.SupervisorFrame_Ping:
			err = say(&bulkheadv1.HandlerFrame{Frame: &bulkheadv1.HandlerFrame_Pong{
				Pong: &bulkheadv1.Pong{Nonce: f.Ping.GetNonce()}}})
		case *bulkheadv1.SupervisorFrame_Finish:
			return say(&bulkheadv1.HandlerFrame{Frame: &bulkheadv1.HandlerFrame_End{
				End: &bulkheadv1.End{Class: bulkheadv1.EndClass_END_CLASS_FINISHED, Messages: 6}}})
		}
		if err != nil {
			return err
		}
	}
}

// left is what the program before has left of a run with one client.
type left struct {
	state    string
	pid      int
	handover string // as the program before wrote it; "" if it was killed
}

// leaveEarlier starts a handler of the program before and leaves what that left: a journal without
// a checkpoint, its roster, and what is handed over if it was upgraded.
func leaveEarlier(t *testing.T, hello *bulkheadv1.Hello, upgraded bool) left {
	t.Helper()
	const run = "20260101T000000Z-c0ffee"
	l := left{state: scripted.ShortDir(t)}
	sock := filepath.Join(l.state, "sock", "plugin-dir1234567890")
	dir := filepath.Join(l.state, "runs", run)
	must(t, errors.Join(os.MkdirAll(sock, 0o700), os.MkdirAll(filepath.Join(dir, "handlers"), 0o755),
		os.Symlink(run, filepath.Join(l.state, "runs", "latest"))))

	encoded, err := proto.Marshal(hello)
	must(t, err)
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	its := os.NewFile(uintptr(ends[1]), "line")
	box, err := blackbox.Create(1 << 20)
	must(t, err)
	null, err := os.Open(os.DevNull)
	must(t, err)
	out, outW, err := os.Pipe()
	must(t, err)
	log, logW, err := os.Pipe()
	must(t, err)
	files := []*os.File{null, outW, logW, its, box}
	env := []string{
		child.Handshake().MagicCookieKey + "=" + child.Handshake().MagicCookieValue,
		earlierEnv + "=" + hex.EncodeToString(encoded), "PLUGIN_UNIX_SOCKET_DIR=" + sock,
	}
	if upgraded {
		env = append(env, lineEnv+"=1")
	}
	p, err := os.StartProcess(os.Args[0], os.Args[:1], &os.ProcAttr{Dir: "/", Files: files, Env: env,
		Sys: &syscall.SysProcAttr{Setpgid: true}})
	must(t, err)
	l.pid = p.Pid
	t.Cleanup(func() { _ = unix.Kill(l.pid, unix.SIGKILL) }) // if it is there still; nobody has its number meanwhile
	must(t, p.Release())                                     // whoever adopts it waits for it
	line, err := bufio.NewReader(out).ReadString('\n')
	must(t, err)
	said := strings.Split(strings.TrimSpace(line), "|")
	if len(said) < 5 || said[0] != "1" || said[1] != "1" || said[2] != "unix" || said[4] != "grpc" {
		t.Fatalf("the handler says %q", line)
	}
	for _, f := range []*os.File{its, null, out, outW, logW} {
		f.Close()
	}

	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", l.pid))
	must(t, err)
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	must(t, err)
	ticks := strings.Fields(string(stat[strings.LastIndex(string(stat), ")")+1:]))[19]
	must(t, os.WriteFile(filepath.Join(dir, "handlers", "1.json"), fmt.Appendf(nil,
		`{"connection":1,"peer":"127.0.0.1:1","child":{"pid":%d,"start_ticks":%s,"boot_id":%q,"address":%q,`+
			`"socket_dir":%q}}`, l.pid, ticks, strings.TrimSpace(string(boot)), said[3], sock), 0o600))
	writeEarlierJournal(t, filepath.Join(dir, "journal"), run, hello, l.pid)

	if !upgraded {
		must(t, errors.Join(unix.Close(ends[0]), log.Close(), box.Close()))
		return l
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	control, err := net.Listen("unix", filepath.Join(l.state, "supervisor.sock"))
	must(t, err)
	control.(*net.UnixListener).SetUnlinkOnClose(false)
	lock, err := os.OpenFile(filepath.Join(l.state, "supervisor.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	must(t, err)
	must(t, unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB))
	l.handover = fmt.Sprintf(`{"from":"0.0.9","from_build":"earlier","listener":%d,"lock":%d,"control":%d,`+
		`"handlers":{"1":{"line":%d,"stderr":%d,"box":%d}}}`, kept(t, listener.(*net.TCPListener)), kept(t, lock),
		kept(t, control.(*net.UnixListener)), ends[0],
		kept(t, log), kept(t, box))
	return l
}

// kept returns a descriptor of what f is, and closes f.
func kept(t *testing.T, f interface {
	syscall.Conn
	Close() error
}) int {
	t.Helper()
	fd, err := upgrade.Duplicate(f)
	must(t, errors.Join(err, f.Close()))
	return fd
}

// writeEarlierJournal writes records with what they had before clocks, settings and record_minor.
func writeEarlierJournal(t *testing.T, dir, run string, hello *bulkheadv1.Hello, pid int) {
	t.Helper()
	j, err := journal.Create(dir, journal.Options{})
	must(t, err)
	data, err := proto.Marshal(rawclient.Batch(1, 3))
	must(t, err)
	recs := []*bulkheadv1.Record{
		{Entry: &bulkheadv1.Record_RunStarted{RunStarted: &bulkheadv1.RunStarted{RunId: run, ExpectedClients: 1}}},
		{Entry: &bulkheadv1.Record_SessionOpened{SessionOpened: &bulkheadv1.SessionOpened{
			Session: 1, SessionId: "s1", Hello: hello}}},
		{Entry: &bulkheadv1.Record_SessionAttached{SessionAttached: &bulkheadv1.SessionAttached{
			Session: 1, ConnectionId: 1, HandlerPid: int32(pid), Peer: "127.0.0.1:1"}}},
		{Entry: &bulkheadv1.Record_SessionBatch{SessionBatch: &bulkheadv1.SessionBatch{
			Session: 1, FirstSeq: 1, LastSeq: 3, Batch: data}}},
	}
	for _, rec := range recs {
		rec.TimeUnixNano = time.Now().UnixNano()
	}
	must(t, errors.Join(j.Append(t.Context(), recs...), j.Close()))
}

// What the program before left is taken up: its handler with go-plugin's own server, its roster,
// its journal without a checkpoint, and after an upgrade what it handed over, with a black box
// whose handler lives. The client's connection stays, and it says the rest over it.
func TestAHandlerOfAnEarlierProgramIsKept(t *testing.T) {
	for _, upgraded := range []bool{false, true} {
		t.Run(fmt.Sprintf("upgraded=%v", upgraded), func(t *testing.T) {
			hello := rawclient.Hello("a")
			l := leaveEarlier(t, hello, upgraded)
			r := start(t, func(cfg *supervisor.Config) {
				cfg.StateDir = l.state
				if upgraded {
					cfg.Inherited = inherited(t, l.handover)
				}
			})
			rep := r.wait()
			c := wantClient(t, rep, "a", "closed", "said goodbye")
			if c.Messages != 6 || c.Resumes != 0 {
				t.Errorf("the report has %d messages and %d resumes; want 6 over one connection", c.Messages, c.Resumes)
			}
			if len(rep.Run.Restarts) != 1 || rep.Run.Restarts[0].HandlersKept != 1 ||
				rep.Run.Restarts[0].HandlersGone != 0 {
				t.Errorf("restarts %+v; want one that kept the handler", rep.Run.Restarts)
			}
			for _, h := range rep.Handlers {
				if h.Pid == int32(l.pid) && (h.Exit == nil || h.Exit.Class != report.ExitClean) {
					t.Errorf("the handler ended %+v; want cleanly", h.Exit)
				}
			}
		})
	}
}

// inherited returns what a handover says.
func inherited(t *testing.T, handover string) *upgrade.Inheritance {
	t.Helper()
	fd, err := unix.MemfdCreate("bulkhead-handover", 0)
	must(t, err)
	_, err = unix.Pwrite(fd, []byte(handover), 0)
	must(t, err)
	t.Setenv("BULKHEAD_HANDOVER", strconv.Itoa(fd))
	h, err := upgrade.Inherited()
	must(t, err)
	return h
}
