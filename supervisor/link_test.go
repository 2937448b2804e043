package supervisor

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"bulkhead/internal/config"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// mute is a stream to a handler that says nothing until the stream's context ends.
type mute struct {
	grpc.ClientStream
	ctx context.Context
}

func (m mute) Send(*bulkheadv1.SupervisorFrame) error { return nil }

func (m mute) Recv() (*bulkheadv1.HandlerFrame, error) {
	<-m.ctx.Done()
	return nil, status.FromContextError(m.ctx.Err()).Err()
}

// tardy is a context from which others learn of its end only when done is closed.
type tardy struct {
	context.Context
	done chan struct{}
}

func (t tardy) Done() <-chan struct{} { return t.done }

// A link that was let go of, for an upgrade for example, ends because of that, and not
// because its stream ended: contexts that end together do so in any order.
func TestALinkKnowsWhyItWasDropped(t *testing.T) {
	r := &run{
		cfg:   Config{Supervisor: config.Supervisor{Handler: config.Handler{HangTimeout: time.Hour}}},
		log:   slog.New(slog.DiscardHandler),
		links: make(map[*link]struct{}),
	}
	ctx, l, unlist := r.newLink(t.Context(), 1, "127.0.0.1:1", nil)
	defer unlist()
	late := make(chan struct{})
	defer close(late)
	overdue := time.NewTimer(time.Hour)
	defer overdue.Stop()
	ended := make(chan error, 1)
	go func() { ended <- l.pump(tardy{ctx, late}, r, mute{ctx: ctx}, overdue) }() // its result is received below
	r.dropLinks(func(*link) bool { return true })
	if err := <-ended; !errors.Is(err, errRunOver) {
		t.Errorf("the link ended with %v; want %v", err, errRunOver)
	}
}
