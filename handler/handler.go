package handler

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"bulkhead/internal/blackbox"
	"bulkhead/internal/child/inside"
	"bulkhead/internal/downlink"
	"bulkhead/internal/failpoint"
	"bulkhead/internal/fdpass"
	"bulkhead/internal/protocol"
	"bulkhead/internal/sandbox"
	"bulkhead/internal/sandbox/lock"
	"bulkhead/internal/threads"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

const (
	// takeOverWait is how long a Serve call waits for the one before it to end: that
	// of a supervisor that was just killed.
	takeOverWait = time.Second
	// toldWait is how long a Serve call without a line waits for the supervisor to
	// have taken the End.
	toldWait = 2 * time.Second
)

// threadsAhead is how many threads a handler that is not locked in makes before it serves: as many as
// it comes to have. So a handler that is ready needs none when none are left, and the supervisor can
// tell how many there is room for.
const threadsAhead = 3

// Run runs a handler process. It returns nil when the supervisor says so, by the line or by
// SIGTERM, and when no supervisor is left and there is nothing to wait for.
func Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM) // for good: one that comes too late must not be what ends the process
	go func() {                          // ends with ctx
		select {
		case <-told:
			stop()
		case <-ctx.Done():
		}
	}()
	box, err := blackbox.Open(blackbox.ChildFD)
	if err != nil && !errors.Is(err, blackbox.ErrNotABox) { // a supervisor may do without
		return err
	}
	log := inside.Logger()
	if err := offerMemory(); err != nil { // it works all the same
		log.Warn(err.Error())
	}
	h := newHandler(log, newWork(box))
	order, err := sandbox.ParseOrder(os.Getenv(sandbox.EnvName))
	if err != nil {
		return err
	}
	kept := make(chan struct{})
	go func() { // ends with ctx at the latest
		defer close(kept)
		h.keep(ctx)
		stop()
	}()
	err = inside.Serve(ctx, inside.Options{
		Register:        func(s *grpc.Server) { bulkheadv1.RegisterHandlerServiceServer(s, h) },
		MaxMessageBytes: protocol.MaxHandlerMessageBytes,
		Codec:           h.work.codec,
		Lock:            func(folder string) error { return h.lock(order, folder) },
		Socket:          h.take,
		Orphaned:        h.orphaned,
	})
	stop()
	<-kept
	h.close()
	return err
}

// handler is the Handler service. It serves one socket and is used once.
type handler struct {
	bulkheadv1.UnimplementedHandlerServiceServer
	log     *slog.Logger
	work    *work
	arrive  chan struct{} // closed when the socket is here
	changed chan struct{} // holds one token after something changed that keep looks at
	free    chan struct{} // holds one token while no Serve call runs
	locked  metadata.MD   // how it is locked in; written before anybody can call

	mu        sync.Mutex
	socket    net.Conn                // guarded by mu until arrive is closed
	passed    fdpass.Handover         // guarded by mu until arrive is closed; it came with socket
	relay     *relay                  // guarded by mu; set by the first Serve
	down      *downlink.Queue         // guarded by mu; set with relay
	drop      context.CancelCauseFunc // guarded by mu; set with relay; ends the client's connection
	gone      chan struct{}           // guarded by mu; set with relay; closed when the connection has ended
	busy      bool                    // guarded by mu; a Serve call is running
	over      bool                    // guarded by mu; it is too late for another Serve call
	lineGone  bool                    // guarded by mu
	idleSince time.Time               // guarded by mu; when the last Serve call ended
	grace     time.Duration           // guarded by mu; as the last Serve call said
}

func newHandler(log *slog.Logger, w *work) *handler {
	h := &handler{
		log: log, work: w, arrive: make(chan struct{}),
		changed: make(chan struct{}, 1), free: make(chan struct{}, 1), idleSince: time.Now(),
	}
	h.free <- struct{}{}
	return h
}

// lock locks the process in. Nothing of a client has come yet, and nobody waits for it.
func (h *handler) lock(order sandbox.Order, folder string) error {
	missing, err := lock.Process(order, folder)
	if order.Level == sandbox.Off {
		threads.Ahead(threadsAhead)
	} else {
		h.locked = metadata.MD{sandbox.Key: sandbox.Say(missing)}
	}
	return err
}

// take receives the socket; a second one is refused.
func (h *handler) take(passed fdpass.Handover, socket net.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.socket != nil {
		h.log.Error("a second socket was handed over; a handler serves one", "connection", passed.ID)
		socket.Close()
		return
	}
	h.socket, h.passed = socket, passed
	close(h.arrive)
	signalChange(h.changed)
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
	if open.GetConnectionId() == 0 { // a supervisor wants to know that this waits
		if err := stream.SendHeader(h.locked); err != nil {
			return err
		}
	}
	select {
	case <-h.arrive:
	case <-stream.Context().Done():
		return stream.Context().Err()
	}
	h.complete(open)
	if err := h.claim(stream.Context()); err != nil {
		return err
	}
	defer h.release()
	r, down, err := h.begin(open)
	if err != nil {
		return err
	}
	r.ack(open.GetResumeAfter())

	ctx, cancel := context.WithCancelCause(stream.Context())
	defer cancel(nil)
	asked := make(chan uint64, 1)
	var e ear
	go func() { // ends with the stream, which ends when Serve returns
		cancel(receive(stream, r, down, asked, e.hear))
	}()
	if limit := time.Duration(open.GetSilenceNano()); limit > 0 {
		go func() { // ends with Serve
			if err := e.wait(ctx, limit); err != nil {
				h.log.Warn("the supervisor is left: it says nothing", "connection", h.passed.ID, "for", limit)
				h.unserved() // what is being sent to it may never return
				cancel(err)
			}
		}()
	}
	if err := h.relayUp(ctx, stream, r, &cursor{seq: open.GetResumeAfter()}, asked); err != nil {
		return err
	}
	h.tell(ctx)
	return nil
}

// complete adds what came with the socket to the Open of a call that was made before there was
// one.
func (h *handler) complete(open *bulkheadv1.Open) {
	if open.GetConnectionId() != 0 {
		return
	}
	open.ConnectionId = h.passed.ID
	if p := h.passed.Patience; p > 0 {
		open.HelloTimeoutNano = min(open.GetHelloTimeoutNano(), int64(p))
	}
}

// Probe returns what this handler is.
func (h *handler) Probe(context.Context, *bulkheadv1.ProbeRequest) (*bulkheadv1.ProbeResponse, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return &bulkheadv1.ProbeResponse{ProtocolVersion: protocol.HandlerVersion, Pid: int32(os.Getpid()),
		ConnectionId: h.passed.ID}, nil
}

// claim claims the handler for one Serve call.
func (h *handler) claim(ctx context.Context) error {
	late := time.NewTimer(takeOverWait)
	defer late.Stop()
	select {
	case <-h.free:
		return nil
	case <-late.C:
		return status.Error(codes.FailedPrecondition, "another supervisor is being served")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// begin begins a Serve call that has claimed the handler, and starts the client on
// the first.
func (h *handler) begin(open *bulkheadv1.Open) (*relay, *downlink.Queue, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over {
		return nil, nil, status.Error(codes.Unavailable,
			"the handler was without a supervisor for too long and is ending")
	}
	if open.GetConnectionId() != h.passed.ID {
		return nil, nil, status.Errorf(codes.InvalidArgument, "connection %d was asked for; this handler has %d",
			open.GetConnectionId(), h.passed.ID)
	}
	h.busy, h.grace = true, time.Duration(open.GetOrphanGraceNano())
	if h.relay == nil {
		h.relay = newRelay(int(open.GetLimits().GetMaxUnackedBatches()))
		h.down = downlink.NewOwn()
		h.gone = make(chan struct{})
		var ctx context.Context
		ctx, h.drop = context.WithCancelCause(context.Background())
		// ends with the client's connection
		go func(r *relay, down *downlink.Queue, drop context.CancelCauseFunc, gone chan struct{}) {
			defer drop(nil)
			defer close(gone)
			r.setEnd(serveClient(ctx, h.socket, open, r, down, h.work))
			signalChange(h.changed)
		}(h.relay, h.down, h.drop, h.gone)
	}
	return h.relay, h.down, nil
}

// release ends a Serve call.
func (h *handler) release() {
	h.unserved()
	h.free <- struct{}{}
}

// unserved notes that no supervisor serves the handler.
func (h *handler) unserved() {
	h.mu.Lock()
	if h.busy {
		h.busy, h.idleSince = false, time.Now()
	}
	h.mu.Unlock()
	signalChange(h.changed)
}

// tell gives the supervisor time to take the End that was sent, after which it ends the stream: a
// process without a line may end soon after.
func (h *handler) tell(ctx context.Context) {
	h.mu.Lock()
	wait := h.lineGone
	h.mu.Unlock()
	if !wait {
		return
	}
	late := time.NewTimer(toldWait)
	defer late.Stop()
	select {
	case <-ctx.Done():
	case <-late.C:
	}
}

// receive takes the supervisor's frames until the stream ends, and calls heard for each. Of questions that
// were not answered yet the last one is kept.
func receive(stream bulkheadv1.HandlerService_ServeServer, r *relay, down *downlink.Queue, asked chan uint64,
	heard func()) error {
	for {
		f, err := stream.Recv()
		heard()
		if errors.Is(err, io.EOF) {
			return errors.New("the supervisor ended the stream")
		}
		if err != nil {
			return err
		}
		if a := f.GetAck(); a != nil {
			r.ack(a.GetSeq())
		}
		if p := f.GetPing(); p != nil {
			select {
			case <-asked:
			default:
			}
			asked <- p.GetNonce() // there is room: only this goroutine fills it
			continue
		}
		if !r.hop.take(f) {
			down.Put(f)
		}
	}
}

// relayUp sends what the client said, in order, until End is sent. It answers
// questions before anything that waits.
func (h *handler) relayUp(ctx context.Context, stream bulkheadv1.HandlerService_ServeServer, r *relay, at *cursor,
	asked <-chan uint64) error {
	send := func(f *bulkheadv1.HandlerFrame) error {
		if err := stream.Send(f); err != nil {
			return fmt.Errorf("sending to the supervisor: %w", err)
		}
		return nil
	}
	for {
		for {
			select {
			case nonce := <-asked:
				if err := send(h.pong(r, nonce)); err != nil {
					return err
				}
			default:
			}
			f := r.next(at)
			if f == nil {
				break
			}
			if f.GetBatch() != nil {
				failpoint.Hit("handler-relay")
			}
			if err := send(f); err != nil {
				return err
			}
			if at.end {
				return nil
			}
		}
		select {
		case <-r.changed:
		case nonce := <-asked:
			if err := send(h.pong(r, nonce)); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// pong answers a supervisor's question.
func (h *handler) pong(r *relay, nonce uint64) *bulkheadv1.HandlerFrame {
	return &bulkheadv1.HandlerFrame{Frame: &bulkheadv1.HandlerFrame_Pong{Pong: &bulkheadv1.Pong{
		Nonce: nonce, BusyNano: int64(h.work.busy()), ReceivedBytes: h.work.received(), Messages: r.accepted(),
		SilentNano: int64(h.work.silent()),
	}}}
}
