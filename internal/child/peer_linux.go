package child

import (
	"context"
	"fmt"
	"net"

	"bulkhead/internal/child/handshake"
)

// dial connects to the child's socket and makes sure that it is the child who
// listens there: the kernel says who called listen(2).
func (c *Child) dial(ctx context.Context) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", c.proc.address)
	if err != nil {
		return nil, err
	}
	peer, err := handshake.Peer(conn.(*net.UnixConn))
	if err == nil && int(peer.Pid) != c.Pid() {
		err = fmt.Errorf("process %d listens on %s; want process %d", peer.Pid, c.proc.address, c.Pid())
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// showing shows a child's secret with every call on it. The connection is the child's: dial makes
// sure of that before anything is said.
type showing handshake.Secret

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (s showing) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{handshake.SecretKey: string(s)}, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials: nobody listens in on a unix
// socket.
func (showing) RequireTransportSecurity() bool { return false }
