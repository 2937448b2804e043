package client

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"bulkhead/internal/testing/scripted"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// scriptedWorker answers heartbeats over a unix socket as its script says.
type scriptedWorker struct {
	bulkheadv1.UnimplementedWorkerServiceServer
	answer func(context.Context) (*bulkheadv1.HeartbeatResponse, error)
}

func (s scriptedWorker) Heartbeat(ctx context.Context, _ *bulkheadv1.HeartbeatRequest) (*bulkheadv1.HeartbeatResponse,
	error) {
	return s.answer(ctx)
}

// startPatient serves a scripted worker; stop ends its server.
func startPatient(t *testing.T, index int,
	answer func(context.Context) (*bulkheadv1.HeartbeatResponse, error)) (p patient, stop func()) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "worker")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	bulkheadv1.RegisterWorkerServiceServer(server, scriptedWorker{answer: answer})
	served := make(chan struct{})
	go func() {
		defer close(served)
		server.Serve(listener)
	}()
	conn, err := grpc.NewClient("unix://"+path, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	stop = func() {
		server.Stop()
		<-served
	}
	t.Cleanup(func() {
		conn.Close()
		stop()
	})
	return patient{
		process: &bulkheadv1.Process{Kind: bulkheadv1.ProcessKind_PROCESS_KIND_CONSUMER, Index: uint32(index),
			Pid: int32(1000 + index)},
		service: bulkheadv1.NewWorkerServiceClient(conn),
		gone:    make(chan struct{}),
		how:     func() string { return "killed by signal 9 (SIGKILL)" },
	}, stop
}

func working(context.Context) (*bulkheadv1.HeartbeatResponse, error) {
	return &bulkheadv1.HeartbeatResponse{State: bulkheadv1.WorkerState_WORKER_STATE_WORKING}, nil
}

func TestRoundTellsWorkersApart(t *testing.T) {
	well, _ := startPatient(t, 0, working)
	stalled, _ := startPatient(t, 1, func(context.Context) (*bulkheadv1.HeartbeatResponse, error) {
		return &bulkheadv1.HeartbeatResponse{State: bulkheadv1.WorkerState_WORKER_STATE_STALLED, StalledNano: 7}, nil
	})
	silent, _ := startPatient(t, 2, func(ctx context.Context) (*bulkheadv1.HeartbeatResponse, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	dead, kill := startPatient(t, 3, working)
	gone := make(chan struct{})
	dead.gone = gone
	kill()
	close(gone)

	beat := ask(t.Context(), []patient{well, stalled, silent, dead}, 5, 2*time.Second, time.Second)
	if beat.Round != 5 || beat.TimeoutNano != 1e9 || beat.StartedUnixNano == 0 || len(beat.Answers) != 2 ||
		len(beat.Misses) != 2 {
		t.Fatalf("round = %v", beat)
	}
	for i, want := range []bulkheadv1.WorkerState{bulkheadv1.WorkerState_WORKER_STATE_WORKING,
		bulkheadv1.WorkerState_WORKER_STATE_STALLED} {
		if a := beat.Answers[i]; a.Process.Index != uint32(i) || a.State != want || a.LatencyNano <= 0 {
			t.Errorf("answer %d = %v; want %s", i, a, want)
		}
	}
	if beat.Answers[1].StalledNano != 7 {
		t.Errorf("answer = %v; want stalled for 7ns", beat.Answers[1])
	}
	if m := beat.Misses[0]; m.Process.Index != 2 || m.Gone || !strings.HasPrefix(m.Reason, "no answer in ") {
		t.Errorf("miss = %v", m)
	}
	if m := beat.Misses[1]; m.Process.Index != 3 || !m.Gone ||
		m.Reason != "process is gone (killed by signal 9 (SIGKILL))" {
		t.Errorf("miss = %v", m)
	}
}

// A connection breaks before the exit of its process is known.
func TestMissWaitsForTheExit(t *testing.T) {
	dying, kill := startPatient(t, 0, working)
	gone := make(chan struct{})
	dying.gone = gone
	kill()
	result := make(chan *bulkheadv1.Heartbeat)
	go func() { result <- ask(context.Background(), []patient{dying}, 1, time.Minute, time.Second) }()
	close(gone)
	beat := scripted.Wait(t, "the round", result)
	if len(beat.Misses) != 1 || !strings.HasPrefix(beat.Misses[0].Reason, goneReason) {
		t.Errorf("round = %v; want the process to be gone", beat)
	}
}

func TestAnswerAfterTheTimeoutIsLate(t *testing.T) {
	late, _ := startPatient(t, 0, working)
	beat := ask(t.Context(), []patient{late}, 1, time.Minute, 1) // nobody answers in 1ns
	if len(beat.Answers) != 1 || !beat.Answers[0].Late {
		t.Errorf("round = %v; want one late answer", beat)
	}
}

func TestSilentWorkerDelaysNoRound(t *testing.T) {
	asked := make(chan struct{}, 100)
	silent, _ := startPatient(t, 0, func(ctx context.Context) (*bulkheadv1.HeartbeatResponse, error) {
		asked <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	})
	ctx, cancel := context.WithCancel(t.Context())
	beats := make(chan *bulkheadv1.Heartbeat, 100)
	done := make(chan struct{})
	go func() {
		defer close(done)
		heartbeats(ctx, []patient{silent}, 50*time.Millisecond, 10*time.Millisecond,
			func(b *bulkheadv1.Heartbeat) { beats <- b })
	}()
	for round := uint64(1); round <= 3; round++ {
		beat := scripted.Wait(t, "a round", beats)
		if beat.Round != round || len(beat.Misses) != 1 {
			t.Errorf("round = %v; want number %d with a miss", beat, round)
		}
	}
	cancel()
	scripted.Wait(t, "the end", done)
}

// A miss says how long was waited, and not how long was to be waited.
func TestMissSaysWhatWasMeasured(t *testing.T) {
	p := patient{gone: make(chan struct{})}
	for waited, want := range map[time.Duration]string{
		2 * time.Second: "no answer in 2s",
		5 * time.Second: "no answer in 5s (limit 2s)",
	} {
		late := status.Error(codes.DeadlineExceeded, "late")
		if got, gone := p.reason(t.Context(), late, time.Now().Add(-waited), 2*time.Second); got != want || gone {
			t.Errorf("after %v: %q, gone %v; want %q", waited, got, gone, want)
		}
	}
}
