package handler

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bulkhead/internal/child/inside"
	"bulkhead/internal/downlink"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// maxMessageBytes bounds a message between supervisor and handler: the largest
// frame a configuration allows (8 MiB) and its envelope.
const maxMessageBytes = 9 << 20

// Run is the life of a handler process. It returns nil when the supervisor closed
// the line or is gone.
func Run(ctx context.Context) error {
	h := newHandler(inside.Logger())
	if err := warm(); err != nil {
		return err
	}
	err := inside.Serve(ctx, inside.Options{
		Register:        func(s *grpc.Server) { bulkheadv1.RegisterHandlerServiceServer(s, h) },
		MaxMessageBytes: maxMessageBytes,
		Socket:          h.take,
	})
	h.close()
	return err
}

// handler is the Handler service. It serves one socket and is used once.
type handler struct {
	bulkheadv1.UnimplementedHandlerServiceServer
	log    *slog.Logger
	arrive chan struct{} // closed when the socket is here

	mu     sync.Mutex
	socket net.Conn        // guarded by mu until arrive is closed
	id     uint64          // guarded by mu until arrive is closed
	relay  *relay          // guarded by mu; set by the first Serve
	down   *downlink.Queue // guarded by mu; set with relay
	busy   bool            // guarded by mu; a Serve call is running
}

func newHandler(log *slog.Logger) *handler {
	return &handler{log: log, arrive: make(chan struct{})}
}

// take receives the socket; a second one is refused.
func (h *handler) take(id uint64, socket net.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.socket != nil {
		h.log.Error("a second socket was handed over; a handler serves one", "connection", id)
		socket.Close()
		return
	}
	h.socket, h.id = socket, id
	close(h.arrive)
}

// close closes the client's socket, if there is one.
func (h *handler) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.socket != nil {
		h.socket.Close()
	}
}

// Serve relays between the client and one supervisor. The first call begins to
// serve the client; a later one, after the earlier has ended, takes over.
func (h *handler) Serve(stream bulkheadv1.HandlerService_ServeServer) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	open := first.GetOpen()
	if open == nil {
		return status.Error(codes.InvalidArgument, "the first frame must be Open")
	}
	select {
	case <-h.arrive:
	case <-stream.Context().Done():
		return stream.Context().Err()
	}
	r, down, err := h.begin(open)
	if err != nil {
		return err
	}
	defer h.release()
	r.ack(open.GetResumeAfter())

	ctx, cancel := context.WithCancelCause(stream.Context())
	defer cancel(nil)
	go func() { // ends with the stream, which ends when Serve returns
		cancel(receive(stream, r, down))
	}()
	return relayUp(ctx, stream, r, &cursor{seq: open.GetResumeAfter()})
}

// begin claims the handler for one Serve call, and starts the client on the
// first.
func (h *handler) begin(open *bulkheadv1.Open) (*relay, *downlink.Queue, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.busy {
		return nil, nil, status.Error(codes.FailedPrecondition, "another supervisor is being served")
	}
	if open.GetConnectionId() != h.id {
		return nil, nil, status.Errorf(codes.InvalidArgument, "connection %d was asked for; this handler has %d", open.GetConnectionId(), h.id)
	}
	h.busy = true
	if h.relay == nil {
		h.relay = newRelay(int(open.GetLimits().GetMaxUnackedBatches()))
		h.down = downlink.New()
		go func(r *relay, down *downlink.Queue) { // ends with the client's connection
			r.setEnd(serveClient(h.socket, open, r, down))
		}(h.relay, h.down)
	}
	return h.relay, h.down, nil
}

func (h *handler) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.busy = false
}

// receive takes the supervisor's frames until the stream ends.
func receive(stream bulkheadv1.HandlerService_ServeServer, r *relay, down *downlink.Queue) error {
	for {
		f, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return errors.New("the supervisor ended the stream")
		}
		if err != nil {
			return err
		}
		if a := f.GetAck(); a != nil {
			r.ack(a.GetSeq())
		}
		down.Put(f)
	}
}

// relayUp sends what the client said, in order, until End is sent.
func relayUp(ctx context.Context, stream bulkheadv1.HandlerService_ServeServer, r *relay, at *cursor) error {
	for {
		for f := r.next(at); f != nil; f = r.next(at) {
			if err := stream.Send(f); err != nil {
				return fmt.Errorf("sending to the supervisor: %w", err)
			}
			if at.end {
				return nil
			}
		}
		select {
		case <-r.changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
