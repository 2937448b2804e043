package handler

import (
	"context"
	"net"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/encoding/gzip" // clients may compress; what comes of it is bounded as a frame is
	"google.golang.org/grpc/keepalive"

	"bulkhead/internal/downlink"
	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

const (
	// flushTimeout is how long the last status may take to reach the client.
	flushTimeout = 2 * time.Second
	// maxHeaderBytes bounds the HTTP/2 headers of a client.
	maxHeaderBytes = 16 << 10
	// bufferBytes is each of gRPC's two buffers per connection.
	bufferBytes = 32 << 10
	// windowBytes is how much a client may send that was not read yet, beside the frame that is
	// being read: at a round trip of 50 ms, 20 MB/s. By default gRPC finds that out by a ping for
	// each frame, which costs more than the frame does, and lets it grow to 16 MiB.
	windowBytes = 1 << 20
	// maxStreams is how many streams a client may have open: one Collect, and what its
	// library opens besides, which is answered at once.
	maxStreams = 16
	// minPing is how often a client may send HTTP/2 pings: as often as its library likes.
	// What a flood of them costs is bounded by the purse; see frames.go.
	minPing = time.Nanosecond
)

// serveClient serves one client on its socket, from the first byte to the last,
// and returns how it ended. When ctx is done the client is sent away.
func serveClient(ctx context.Context, socket net.Conn, open *bulkheadv1.Open, r *relay, down *downlink.Queue,
	w *work) *bulkheadv1.End {
	helloBy := time.Now().Add(time.Duration(open.GetHelloTimeoutNano()))
	conn := newClientConn(socket)
	w.conn.Store(conn)
	if open.GetSecure() {
		if v := beginTLS(ctx, conn, helloBy, r); v != nil {
			conn.Close()
			return endOf(v, conn)
		}
	}
	if v := greet(ctx, conn, helloBy); v != nil {
		conn.Close()
		return endOf(v, conn)
	}
	silence := time.Duration(open.GetClientTimeoutNano())
	c := newCollector(open.GetLimits(), r, down, w)
	c.conn = conn
	conn.silence, conn.flooded = silence, c.flooded
	conn.overhear()
	c.tells = open.GetReportResent()
	srv := grpc.NewServer(
		grpc.ForceServerCodecV2(newCodec(w, int(open.GetLimits().GetMaxFrameBytes()))),
		grpc.MaxRecvMsgSize(protocol.MaxHandlerMessageBytes), // the codec refuses more than the limit
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.MaxHeaderListSize(maxHeaderBytes),
		grpc.ReadBufferSize(bufferBytes), grpc.WriteBufferSize(bufferBytes),
		grpc.StaticStreamWindowSize(windowBytes), grpc.StaticConnWindowSize(windowBytes),
		grpc.ConnectionTimeout(time.Until(helloBy)),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: silence / 2, Timeout: silence / 2}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: minPing, PermitWithoutStream: true}),
		grpc.UnknownServiceHandler(c.unknown),
		grpc.InTapHandle(c.tap),
	)
	bulkheadv1.RegisterCollectorServiceServer(srv, c)
	served := make(chan struct{})
	lis := newOneConn(conn)
	go func() { // ends when srv is stopped, below
		defer close(served)
		_ = srv.Serve(lis) // says only that it was stopped
	}()
	v := awaitEnd(ctx, c, conn, helloBy)
	if v.class == bulkheadv1.EndClass_END_CLASS_TRANSPORT && !c.began.Load() {
		conn.goAway(http2.ErrCodeEnhanceYourCalm, v.text) // there is no stream to say it on
	}
	stop(srv, conn)
	<-served
	if v.vague {
		if why := conn.streamEnd(); why != nil {
			v = why
		}
	}
	end := endOf(v, conn)
	end.UnknownFrames = c.passedOver.Load()
	return c.tell(end)
}

// greet reads the first bytes, but not for longer than until ctx is done.
func greet(ctx context.Context, conn *clientConn, helloBy time.Time) *violation {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	v := readPreface(conn, helloBy)
	if !stop() && v == nil || v != nil && ctx.Err() != nil {
		return orphaned(ctx)
	}
	return v
}

// orphaned returns why a client is sent away when ctx is done.
func orphaned(ctx context.Context) *violation {
	return &violation{class: bulkheadv1.EndClass_END_CLASS_ORPHANED, code: codes.Unavailable,
		reason: bulkheadv1.Reason_REASON_SUPERVISOR_GONE, text: context.Cause(ctx).Error()}
}

// awaitEnd waits until the client's stream or connection ends, its Hello is overdue,
// or ctx is done.
func awaitEnd(ctx context.Context, c *collector, conn *clientConn, helloBy time.Time) *violation {
	overdue := time.NewTimer(time.Until(helloBy))
	defer overdue.Stop()
	closed, gone := conn.closed, ctx.Done()
	refuse := func(v *violation) {
		select {
		case c.refuse <- v: // the stream takes it
		default: // it was refused before
		}
	}
	for {
		select {
		case v := <-c.ended:
			if v.class == bulkheadv1.EndClass_END_CLASS_CONNECTION_LOST {
				return sharper(v, conn)
			}
			return v
		case v := <-c.flood:
			if !c.began.Load() {
				return v
			}
			refuse(v)
		case <-closed:
			if !c.began.Load() {
				return c.insteadOf(conn.story())
			}
			closed = nil // the stream ends too, and knows more
		case <-overdue.C:
			if c.greeted.Load() {
				continue
			}
			v := c.insteadOf(tooSlow("client said no Hello in time"))
			if !c.began.Load() {
				return v
			}
			refuse(v)
		case <-gone:
			if !c.began.Load() {
				return orphaned(ctx)
			}
			refuse(orphaned(ctx))
			gone = nil
		}
	}
}

// sharper replaces what gRPC says of a broken connection by what its frames and the socket
// said. A stream that ended while its connection stands was ended by the client.
func sharper(v *violation, conn *clientConn) *violation {
	why := conn.streamEnd()
	if why != nil && why.class == bulkheadv1.EndClass_END_CLASS_STREAM_ENDED {
		return why // also if the client closed the connection behind it
	}
	select {
	case <-conn.closed:
		return conn.story()
	default:
	}
	if why != nil {
		return why
	}
	out := streamEnded("%s", v.text)
	out.vague = true
	return out
}

// stop ends the server: in order, so that the last status reaches the client, or
// by force after flushTimeout.
func stop(srv *grpc.Server, conn *clientConn) {
	conn.end()
	t := time.AfterFunc(flushTimeout, srv.Stop)
	srv.GracefulStop()
	t.Stop()
	srv.Stop()
	conn.Close()
}

func endOf(v *violation, conn *clientConn) *bulkheadv1.End {
	e := &bulkheadv1.End{Class: v.class, Text: v.text, Reason: v.reason, ReceivedBytes: conn.received.Load(),
		SilentNano: int64(conn.quiet())}
	if v.class == bulkheadv1.EndClass_END_CLASS_FINISHED && v.code == codes.OK {
		e.Text = "closed in order"
	}
	return e
}
