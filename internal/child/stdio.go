package child

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// stdioMethod is the stream that go-plugin opens when it connects to a child.
const stdioMethod = "/plugin.GRPCStdio/StreamStdio"

// keepConn is for a child that dies while go-plugin connects to it. That cancels the
// stream, and go-plugin then forgets its connection without closing it, unless the
// error is UNAVAILABLE (newGRPCClient, newGRPCStdioClient).
func keepConn(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, next grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	stream, err := next(ctx, desc, cc, method, opts...)
	if err != nil && method == stdioMethod {
		err = status.Error(codes.Unavailable, err.Error())
	}
	return stream, err
}
