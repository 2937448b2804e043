package isolation_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/journal"

	"bulkhead/internal/testing/harness/expect"
)

// load is a scripted client that sends batches all the time and counts what is
// acknowledged. After UNAVAILABLE it connects again as the same client.
type load struct {
	hello  *bulkheadv1.Hello
	number uint32 // goes into every message, so that none can pass for another's
	addr   string
	batch  uint64 // messages in a batch
	window uint64 // batches on their way
	dial   []grpc.DialOption
	stop   chan struct{} // closed by finish
	done   chan struct{} // closed at the end

	mu      sync.Mutex
	acked   uint64        // guarded by mu
	resumes int           // guarded by mu
	changed chan struct{} // guarded by mu; closed and replaced when acked grows
	err     error         // written before done is closed
}

// startLoad starts a client that runs until finish, with so many messages in a
// batch and batches on their way.
func startLoad(t *testing.T, s *running, hello *bulkheadv1.Hello, number uint32, batch, window uint64,
	dial ...grpc.DialOption) *load {
	l := &load{
		hello: hello, number: number, addr: s.Addr, batch: batch, window: window, dial: dial,
		stop: make(chan struct{}), done: make(chan struct{}), changed: make(chan struct{}),
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { // ends with finish, with an error or with the test
		defer close(l.done)
		l.err = l.run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-l.done })
	return l
}

// bystander starts a client with little load, to show that others do not touch it.
func bystander(t *testing.T, s *running, hello *bulkheadv1.Hello) *load {
	t.Helper()
	l := startLoad(t, s, hello, 1, 8, 1)
	l.goesOn(t)
	return l
}

// run connects until the load is over.
func (l *load) run(ctx context.Context) error {
	for {
		err := l.connection(ctx)
		if err == nil || status.Code(err) != codes.Unavailable || ctx.Err() != nil {
			return err
		}
		l.mu.Lock()
		l.resumes++
		l.mu.Unlock()
	}
}

// connection carries the load over one connection to its Goodbye, which is nil.
func (l *load) connection(ctx context.Context) error {
	c, err := rawclient.Dial(ctx, l.addr, l.dial...)
	if err != nil {
		return err
	}
	defer c.Close()
	w, err := c.Greet(l.hello)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	acks, broken := make(chan uint64), make(chan error, 1)
	go func() { broken <- receiveAcks(ctx, c, acks) }() // ends with ctx or the stream
	sent, acked, stop := w.GetResumeAfter(), w.GetResumeAfter(), l.stop
	for {
		select {
		case seq := <-acks:
			acked = seq
			l.note(seq)
			continue
		case err := <-broken:
			return err
		case <-stop:
			stop = nil
			continue
		default:
		}
		switch {
		case stop == nil && acked == sent:
			if err := c.Goodbye(sent); err != nil {
				return err
			}
			if err := l.rest(acks, broken); !errors.Is(err, io.EOF) {
				return fmt.Errorf("after Goodbye: %w", err)
			}
			return nil
		case stop != nil && sent-acked <= l.batch*(l.window-1):
			if c.Send(batchFrame(l.messages(sent+1, sent+l.batch))) != nil {
				return l.rest(acks, broken) // Send only says that there is something to receive
			}
			sent += l.batch
			continue
		}
		select {
		case seq := <-acks:
			acked = seq
			l.note(seq)
		case err := <-broken:
			return err
		case <-stop:
			stop = nil
		}
	}
}

// rest takes what is still received, and returns how the stream ended.
func (l *load) rest(acks <-chan uint64, broken <-chan error) error {
	for {
		select {
		case seq := <-acks:
			l.note(seq)
		case err := <-broken:
			return err
		}
	}
}

// receiveAcks passes acknowledgements on until the stream ends, and returns how.
func receiveAcks(ctx context.Context, c *rawclient.Client, acks chan<- uint64) error {
	for {
		f, err := c.Recv()
		if err != nil {
			return err
		}
		if a := f.GetAck(); a != nil {
			select {
			case acks <- a.GetSeq():
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

func (l *load) note(acked uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acked = acked
	close(l.changed)
	l.changed = make(chan struct{})
}

// progress returns how many messages are acknowledged, and a channel that is closed when that
// changes.
func (l *load) progress() (acked uint64, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.acked, l.changed
}

func (l *load) resumed() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.resumes
}

// goesOn waits until everything that may be on its way now, and a batch sent after
// it, is acknowledged.
func (l *load) goesOn(t *testing.T) {
	t.Helper()
	deadline := time.After(patience)
	begin, changed := l.progress()
	for acked := begin; acked < begin+l.batch*(l.window+1); {
		select {
		case <-changed:
		case <-l.done:
			t.Fatalf("client %s ended after %d messages: %v", l.hello.GetName(), acked, l.err)
		case <-deadline:
			t.Fatalf("client %s stands still at %d messages", l.hello.GetName(), acked)
		}
		acked, changed = l.progress()
	}
}

// finish ends the load in order and returns how many messages were sent.
func (l *load) finish(t *testing.T) uint64 {
	t.Helper()
	close(l.stop)
	select {
	case <-l.done:
	case <-time.After(patience):
		t.Fatalf("client %s does not end", l.hello.GetName())
	}
	if l.err != nil {
		t.Fatalf("client %s: %v", l.hello.GetName(), l.err)
	}
	acked, _ := l.progress()
	return acked
}

// messages returns what the load sends as number first to last, always the same.
func (l *load) messages(first, last uint64) *bulkheadv1.Batch {
	b := &bulkheadv1.Batch{}
	for seq := first; seq <= last; seq++ {
		b.Messages = append(b.Messages, &bulkheadv1.Message{
			Seq: seq, TimeUnixNano: int64(seq),
			Process: &bulkheadv1.Process{Kind: bulkheadv1.ProcessKind_PROCESS_KIND_CONSUMER, Index: l.number,
				Pid: int32(l.number)},
			Fact: &bulkheadv1.Message_Progress{
				Progress: &bulkheadv1.Progress{Bytes: uint64(l.number)<<32 | seq, Chunks: seq}},
		})
	}
	return b
}

func batchFrame(b *bulkheadv1.Batch) *bulkheadv1.ClientFrame {
	return &bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Batch{Batch: b}}
}

// journalled checks that the journal holds of each load exactly the messages 1 to
// sent, each once and as it was sent.
func journalled(t *testing.T, s *running, sent map[*load]uint64) {
	t.Helper()
	byID := make(map[string]*load)
	for l := range sent {
		byID[string(l.hello.GetClientId())] = l
	}
	sessions := make(map[uint32]*load)
	found := make(map[*load]uint64)
	_, err := journal.Replay(filepath.Join(s.RunDir, "journal"), func(rec *bulkheadv1.Record) error {
		if o := rec.GetSessionOpened(); o != nil {
			sessions[o.GetSession()] = byID[string(o.GetHello().GetClientId())]
		}
		l := sessions[rec.GetSessionBatch().GetSession()]
		if rec.GetSessionBatch() == nil || l == nil {
			return nil
		}
		var b bulkheadv1.Batch
		if err := proto.Unmarshal(rec.GetSessionBatch().GetBatch(), &b); err != nil {
			return err
		}
		next := found[l] + 1
		found[l] += uint64(len(b.GetMessages()))
		if want := l.messages(next, found[l]); !proto.Equal(&b, want) {
			return fmt.Errorf("client %s: the journal has %v where %v is next", l.hello.GetName(), &b, want)
		}
		return nil
	})
	expect.NoError(t, err)
	for l, n := range sent {
		if found[l] != n {
			t.Errorf("client %s: the journal holds %d messages; %d were sent and acknowledged", l.hello.GetName(),
				found[l], n)
		}
	}
}
