package consumer

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// patience bounds every wait for an event; it is met only by a failure.
const patience = 30 * time.Second

// dial serves c on a unix socket and returns a client of it.
func dial(t *testing.T, c *Consumer) bulkheadv1.WorkerServiceClient {
	t.Helper()
	folder, err := os.MkdirTemp("", "c") // t.TempDir's name may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(folder, "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	bulkheadv1.RegisterWorkerServiceServer(server, c)
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

// parent is the far side of one Run: it collects the messages.
type parent struct {
	t      *testing.T
	client bulkheadv1.WorkerServiceClient
	cancel context.CancelFunc
	ended  chan struct{}

	mu       sync.Mutex
	messages []*bulkheadv1.Message // guarded by mu
	err      error                 // of the stream; guarded by mu
	changed  chan struct{}         // closed and replaced at each message; guarded by mu
}

// start calls Run and collects until it ends.
func start(t *testing.T, client bulkheadv1.WorkerServiceClient, request *bulkheadv1.RunRequest) *parent {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	stream, err := client.Run(ctx, request)
	if err != nil {
		t.Fatal(err)
	}
	p := &parent{t: t, client: client, cancel: cancel, ended: make(chan struct{}), changed: make(chan struct{})}
	go p.collect(stream)
	t.Cleanup(func() {
		cancel()
		<-p.ended
	})
	return p
}

func (p *parent) collect(stream grpc.ServerStreamingClient[bulkheadv1.RunResponse]) {
	defer close(p.ended)
	for {
		response, err := stream.Recv()
		p.mu.Lock()
		if err == nil {
			p.messages = append(p.messages, response.GetMessage())
		} else if !errors.Is(err, io.EOF) {
			p.err = err
		}
		close(p.changed)
		p.changed = make(chan struct{})
		p.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// until waits for the messages so far to satisfy enough.
func (p *parent) until(what string, enough func([]*bulkheadv1.Message) bool) {
	p.t.Helper()
	deadline := time.After(patience)
	for {
		p.mu.Lock()
		messages, changed := p.messages, p.changed
		p.mu.Unlock()
		if enough(messages) {
			return
		}
		select {
		case <-changed:
		case <-p.ended:
			p.t.Fatalf("Run ended before %s: %v", what, p.err)
		case <-deadline:
			p.t.Fatalf("no %s in %v", what, patience)
		}
	}
}

// untilFiles waits for n finished files.
func (p *parent) untilFiles(n int) {
	p.t.Helper()
	p.until("enough files", func(m []*bulkheadv1.Message) bool { return len(rollovers(m)) >= n })
}

func (p *parent) kill(grace time.Duration) {
	p.t.Helper()
	if _, err := p.client.Kill(p.t.Context(), &bulkheadv1.KillRequest{GraceNano: int64(grace)}); err != nil {
		p.t.Fatal(err)
	}
}

func (p *parent) heartbeat() *bulkheadv1.HeartbeatResponse {
	p.t.Helper()
	answer, err := p.client.Heartbeat(p.t.Context(), &bulkheadv1.HeartbeatRequest{Round: 1})
	if err != nil {
		p.t.Fatal(err)
	}
	return answer
}

// untilState asks until the consumer is in the state.
func (p *parent) untilState(want bulkheadv1.WorkerState) *bulkheadv1.HeartbeatResponse {
	p.t.Helper()
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		if answer := p.heartbeat(); answer.GetState() == want {
			return answer
		}
	}
	p.t.Fatalf("never %v", want)
	return nil
}

// end waits for Run to end and returns all messages and the stream's error.
func (p *parent) end() ([]*bulkheadv1.Message, error) {
	p.t.Helper()
	select {
	case <-p.ended:
		return p.messages, p.err
	case <-time.After(patience):
		p.t.Fatalf("Run did not end in %v", patience)
		return nil, nil
	}
}

// orderlyEnd does what end does, for a Run that must have ended well.
func (p *parent) orderlyEnd() []*bulkheadv1.Message {
	p.t.Helper()
	messages, err := p.end()
	if err != nil {
		p.t.Fatalf("Run: %v", err)
	}
	return messages
}

// request returns a valid request for files in folder.
func request(folder string, chunk, file uint64, edit func(*bulkheadv1.ConsumerTask)) *bulkheadv1.RunRequest {
	task := &bulkheadv1.ConsumerTask{
		Spec: &bulkheadv1.ConsumerSpec{
			Index: 3, Path: folder, ChunkSizeBytes: chunk, FileSizeBytes: file, KeepFiles: 2,
			Sync: bulkheadv1.SyncPolicy_SYNC_POLICY_NONE,
		},
		ProgressIntervalNano: int64(20 * time.Millisecond),
		StallAfterNano:       int64(time.Hour),
	}
	if edit != nil {
		edit(task)
	}
	return &bulkheadv1.RunRequest{
		Process: &bulkheadv1.Process{Kind: bulkheadv1.ProcessKind_PROCESS_KIND_CONSUMER, Index: 3},
		Task:    &bulkheadv1.RunRequest_Consumer{Consumer: task},
	}
}

func rollovers(messages []*bulkheadv1.Message) []*bulkheadv1.Rollover {
	var list []*bulkheadv1.Rollover
	for _, m := range messages {
		if r := m.GetRollover(); r != nil {
			list = append(list, r)
		}
	}
	return list
}

func progresses(messages []*bulkheadv1.Message) []*bulkheadv1.Progress {
	var list []*bulkheadv1.Progress
	for _, m := range messages {
		if p := m.GetProgress(); p != nil {
			list = append(list, p)
		}
	}
	return list
}

// sum adds up all Progress messages.
func sum(messages []*bulkheadv1.Message) *bulkheadv1.Progress {
	total := new(bulkheadv1.Progress)
	for _, p := range progresses(messages) {
		total.IntervalNano += p.GetIntervalNano()
		total.Bytes += p.GetBytes()
		total.Chunks += p.GetChunks()
		total.Errors += p.GetErrors()
		total.VerifyErrors += p.GetVerifyErrors()
		total.VerifiedBytes += p.GetVerifiedBytes()
		total.VerifiedCachedBytes += p.GetVerifiedCachedBytes()
		total.CorruptBlocks += p.GetCorruptBlocks()
		if p.GetLastError() != "" {
			total.LastError = p.GetLastError()
		}
	}
	return total
}

func corruptions(messages []*bulkheadv1.Message) []*bulkheadv1.Corruption {
	var list []*bulkheadv1.Corruption
	for _, m := range messages {
		if c := m.GetCorruption(); c != nil {
			list = append(list, c)
		}
	}
	return list
}

// entries returns the names in folder.
func entries(t *testing.T, folder string) []string {
	t.Helper()
	list, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

// messagesNow returns the messages so far.
func (p *parent) messagesNow() []*bulkheadv1.Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.messages
}
