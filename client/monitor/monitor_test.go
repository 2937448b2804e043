package monitor

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// childEnv makes the test binary behave as a child instead of testing.
const childEnv = "BULKHEAD_TEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childEnv) {
	case "busy":
		busy()
	case "explain":
		explain()
	default:
		goleak.VerifyTestMain(m)
	}
}

// dial serves m on a unix socket and returns a client of it.
func dial(t *testing.T, m *Monitor) bulkheadv1.WorkerServiceClient {
	t.Helper()
	folder, err := os.MkdirTemp("", "m") // t.TempDir's name may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(folder, "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	bulkheadv1.RegisterWorkerServiceServer(server, m)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	conn, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
		os.RemoveAll(folder)
	})
	return bulkheadv1.NewWorkerServiceClient(conn)
}

// start calls Run. The stream ends at the latest after 30 s, which no test that
// passes comes near.
func start(t *testing.T, client bulkheadv1.WorkerServiceClient,
	request *bulkheadv1.RunRequest) grpc.ServerStreamingClient[bulkheadv1.RunResponse] {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	stream, err := client.Run(ctx, request)
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

// request asks for samples of those pids.
func request(interval time.Duration, pids ...int) *bulkheadv1.RunRequest {
	task := &bulkheadv1.MonitorTask{IntervalNano: int64(interval)}
	for i, pid := range pids {
		task.Targets = append(task.Targets, &bulkheadv1.Process{
			Kind: bulkheadv1.ProcessKind_PROCESS_KIND_CONSUMER, Index: uint32(i), Pid: int32(pid),
		})
	}
	return &bulkheadv1.RunRequest{
		Process: &bulkheadv1.Process{Kind: bulkheadv1.ProcessKind_PROCESS_KIND_MONITOR},
		Task:    &bulkheadv1.RunRequest_Monitor{Monitor: task},
	}
}

// next returns the next message of the stream.
func next(t *testing.T, stream grpc.ServerStreamingClient[bulkheadv1.RunResponse]) *bulkheadv1.Message {
	t.Helper()
	response, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	m := response.GetMessage()
	if m.GetSeq() != 0 || m.GetTimeUnixNano() == 0 {
		t.Errorf("badly addressed: %v", m)
	}
	return m
}

// rest returns the messages until the stream ends in order.
func rest(t *testing.T, stream grpc.ServerStreamingClient[bulkheadv1.RunResponse]) []*bulkheadv1.Message {
	t.Helper()
	var list []*bulkheadv1.Message
	for {
		response, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, response.GetMessage())
	}
}

func kill(t *testing.T, client bulkheadv1.WorkerServiceClient) {
	t.Helper()
	if _, err := client.Kill(t.Context(), &bulkheadv1.KillRequest{}); err != nil {
		t.Fatal(err)
	}
}

// sleeper starts a process that does nothing, and ends it with the test.
func sleeper(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd
}

func TestRounds(t *testing.T) {
	one, two := sleeper(t), sleeper(t)
	client := dial(t, New(Options{}))
	stream := start(t, client, request(minInterval, one.Process.Pid, two.Process.Pid))
	first := next(t, stream)
	if p := first.GetProcess(); first.GetStart() == nil || p.GetPid() != int32(os.Getpid()) ||
		p.GetKind() != bulkheadv1.ProcessKind_PROCESS_KIND_MONITOR {
		t.Errorf("first message: %v", first)
	}
	var elapsed [2]int64
	for range 4 {
		for i, pid := range []int{one.Process.Pid, two.Process.Pid} {
			m := next(t, stream)
			p, sample := m.GetProcess(), m.GetMonitor()
			if p.GetPid() != int32(pid) || p.GetIndex() != uint32(i) ||
				p.GetKind() != bulkheadv1.ProcessKind_PROCESS_KIND_CONSUMER {
				t.Errorf("sample of %v, want pid %d", p, pid)
			}
			if sample.GetThreads() != 1 || sample.GetFds() < 3 || sample.GetElapsedNano() < elapsed[i] {
				t.Errorf("sample %v", m)
			}
			elapsed[i] = sample.GetElapsedNano()
		}
	}
	kill(t, client)
	kill(t, client)
	if n := len(rest(t, stream)); n < 2 || n%2 != 0 {
		t.Errorf("%d messages after Kill, want whole rounds", n)
	}
}

// TestKillEndsALongInterval expects a first and a last round, and none between.
func TestKillEndsALongInterval(t *testing.T) {
	client := dial(t, New(Options{}))
	stream := start(t, client, request(time.Hour, os.Getpid()))
	next(t, stream)
	next(t, stream)
	kill(t, client)
	if list := rest(t, stream); len(list) != 1 || list[0].GetMonitor() == nil {
		t.Errorf("after Kill: %v", list)
	}
}

func TestKillBeforeRun(t *testing.T) {
	client := dial(t, New(Options{}))
	kill(t, client)
	if list := rest(t, start(t, client, request(time.Hour, os.Getpid()))); len(list) != 2 {
		t.Errorf("messages: %v", list)
	}
}

func TestAbandon(t *testing.T) {
	m := New(Options{})
	client := dial(t, m)
	stream := start(t, client, request(time.Hour, os.Getpid()))
	next(t, stream)
	next(t, stream)
	m.Abandon()
	m.Abandon()
	if list := rest(t, stream); len(list) != 0 {
		t.Errorf("after Abandon: %v", list)
	}
}

func TestStates(t *testing.T) {
	client := dial(t, New(Options{}))
	check := func(when string, want bulkheadv1.WorkerState) {
		t.Helper()
		answer, err := client.Heartbeat(t.Context(), &bulkheadv1.HeartbeatRequest{Round: 1})
		if err != nil || answer.GetState() != want {
			t.Errorf("%s: %v, %v; want %v", when, answer, err, want)
		}
	}
	check("before Run", bulkheadv1.WorkerState_WORKER_STATE_IDLE)
	stream := start(t, client, request(time.Hour))
	next(t, stream)
	check("in Run", bulkheadv1.WorkerState_WORKER_STATE_WORKING)
	kill(t, client)
	rest(t, stream)
	check("after Run", bulkheadv1.WorkerState_WORKER_STATE_IDLE)
}

func TestRefusals(t *testing.T) {
	noTask := request(time.Second)
	noTask.Task = nil
	consumer := request(time.Second)
	consumer.Task = &bulkheadv1.RunRequest_Consumer{Consumer: &bulkheadv1.ConsumerTask{}}
	noProcess := request(time.Second)
	noProcess.Process = nil
	for _, c := range []struct {
		name    string
		options Options
		request *bulkheadv1.RunRequest
		code    codes.Code
		text    string
	}{
		{"no task", Options{}, noTask, codes.InvalidArgument, "needs a monitor task"},
		{"consumer task", Options{}, consumer, codes.InvalidArgument, "needs a monitor task"},
		{"no process", Options{}, noProcess, codes.InvalidArgument, "does not say which process"},
		{"negative", Options{}, request(-1), codes.InvalidArgument, "monitor interval -1ns"},
		{"too short", Options{}, request(time.Millisecond), codes.InvalidArgument, "at least 10ms"},
		{"no proc", Options{ProcFolder: "/nowhere"}, request(time.Second), codes.Unavailable, "proc file system"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := start(t, dial(t, New(c.options)), c.request).Recv()
			if status.Code(err) != c.code || !strings.Contains(err.Error(), c.text) {
				t.Errorf("error %v, want %v with %q", err, c.code, c.text)
			}
		})
	}
}

func TestRunTwice(t *testing.T) {
	client := dial(t, New(Options{}))
	stream := start(t, client, request(time.Hour))
	next(t, stream)
	if _, err := start(t, client, request(time.Hour)).Recv(); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("second Run: %v", err)
	}
	kill(t, client)
	rest(t, stream)
}
