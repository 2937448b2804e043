package conformance

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/peer"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// maxFrameBytes is the largest frame that is taken at all, so that one over the limits of a
// scenario is told of in its words.
const maxFrameBytes = 16 << 20

// server serves the connections of one trial.
type server struct {
	bulkheadv1.UnimplementedCollectorServiceServer
	ctx      context.Context
	arrivals chan *connection
	trial    *trial
	door     *door
	grpc     *grpc.Server
	served   chan struct{} // closed when grpc has ended
}

// newServer serves what connects to lis until close, and leaves lis open.
func newServer(t *trial, lis *net.TCPListener) *server {
	s := &server{
		ctx: t.ctx, arrivals: t.arrivals, trial: t, served: make(chan struct{}),
		door: &door{TCPListener: lis, sockets: make(map[string]*net.TCPConn)},
		grpc: grpc.NewServer(
			grpc.MaxRecvMsgSize(maxFrameBytes),
			grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 1, PermitWithoutStream: true}),
		),
	}
	bulkheadv1.RegisterCollectorServiceServer(s.grpc, s)
	go func() { // ends when grpc is stopped, in close
		defer close(s.served)
		_ = s.grpc.Serve(s.door)
	}()
	return s
}

// close ends all connections.
func (s *server) close() {
	s.grpc.Stop()
	<-s.served
	s.door.SetDeadline(time.Time{})
}

// Collect hands the stream to the trial's script, and ends when that says how.
func (s *server) Collect(stream bulkheadv1.CollectorService_CollectServer) error {
	from, _ := peer.FromContext(stream.Context())
	c := newConnection(s.trial, s.door.socket(from.Addr), stream)
	ended := make(chan struct{})
	defer close(ended)
	go c.receive(ended) // ends with the stream
	select {
	case s.arrivals <- c:
	case <-stream.Context().Done():
		return stream.Context().Err()
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
	select {
	case err := <-c.finish:
		return err
	case <-stream.Context().Done():
		return stream.Context().Err()
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
}

// door is the listener of a trial. It knows the sockets, and turns some away.
type door struct {
	*net.TCPListener
	busy    atomic.Int32 // connections to turn away
	mu      sync.Mutex
	sockets map[string]*net.TCPConn // guarded by mu; by the client's address
}

// Accept returns the next connection that is not turned away.
func (d *door) Accept() (net.Conn, error) {
	for {
		socket, err := d.AcceptTCP()
		if err != nil {
			return nil, net.ErrClosed // grpc tries again after a deadline, which is Close's
		}
		if d.busy.Add(-1) >= 0 {
			turnAway(socket)
			continue
		}
		d.busy.Store(0)
		d.mu.Lock()
		d.sockets[socket.RemoteAddr().String()] = socket
		d.mu.Unlock()
		return socket, nil
	}
}

// Close ends Accept; the socket that listens stays open.
func (d *door) Close() error { return d.SetDeadline(time.Unix(1, 0)) }

func (d *door) socket(from net.Addr) *net.TCPConn {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.sockets[from.String()]
}
