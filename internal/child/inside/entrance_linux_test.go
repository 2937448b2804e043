package inside_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"bulkhead/internal/child/handshake"
	"bulkhead/internal/fdpass"
	"bulkhead/internal/testing/harness"
)

// socket returns the path of the child's socket.
func (p *process) socket() string { return filepath.Join(p.dir, "socket") }

// dial connects to the child's socket until the test ends.
func (p *process) dial() net.Conn {
	p.t.Helper()
	conn, err := net.Dial("unix", p.socket())
	must(p.t, err)
	p.t.Cleanup(func() { conn.Close() })
	must(p.t, conn.SetDeadline(time.Now().Add(patience)))
	return conn
}

// ask calls a method over a connection of its own, with these values of the secret.
func (p *process) ask(method string, secrets ...string) error {
	p.t.Helper()
	conn, err := grpc.NewClient("passthrough:///child", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", p.socket())
		}))
	must(p.t, err)
	defer conn.Close()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	for _, s := range secrets {
		ctx = metadata.AppendToOutgoingContext(ctx, handshake.SecretKey, s)
	}
	return conn.Invoke(ctx, method, &grpc_health_v1.HealthCheckRequest{Service: handshake.Service},
		&grpc_health_v1.HealthCheckResponse{})
}

// The methods of a child that serves nothing of its own, and what becomes of a call.
var methods = map[string]codes.Code{
	grpc_health_v1.Health_Check_FullMethodName: codes.OK,
	grpc_health_v1.Health_Watch_FullMethodName: codes.Unimplemented,
	"/plugin.GRPCController/Shutdown":          codes.Unimplemented,
	"/plugin.GRPCStdio/StreamStdio":            codes.Unimplemented,
	"no method at all":                         codes.Unimplemented,
}

// Whatever is called, without the secret it is refused, and one that is refused disturbs nobody.
func TestEveryCallShowsTheSecret(t *testing.T) {
	p := start(t, "serve")
	right := string(p.secret)
	for method, want := range methods {
		for name, shown := range map[string][]string{
			"nothing": nil, "an empty one": {""}, "another": {string(handshake.NewSecret())},
			"a part": {right[:len(right)-1]}, "more": {right + "0"}, "it beside another": {right, right[1:] + "0"},
			"it twice": {right, right},
		} {
			if err := p.ask(method, shown...); status.Code(err) != codes.PermissionDenied {
				t.Errorf("%s with %s for the secret: %v; want PERMISSION_DENIED", method, name, err)
			}
		}
		if err := p.ask(method, right); status.Code(err) != want {
			t.Errorf("%s with the secret: %v; want %v", method, err, want)
		}
	}
	must(t, p.line.Close())
	p.wantExit(servedWell)
}

// The child of a parent that gives it no secret serves all the same: the program beside a parent
// that runs may be newer.
func TestAChildWithoutASecret(t *testing.T) {
	p := startWith(t, "serve", "")
	if err := p.ask(grpc_health_v1.Health_Check_FullMethodName); err != nil {
		t.Error(err)
	}
}

// A parent that is not sure whether its child has got the secret says it again.
func TestASecretThatCameTwice(t *testing.T) {
	line, child, err := fdpass.Pair()
	must(t, err)
	defer line.Close()
	defer child.Close()
	last := handshake.NewSecret()
	must(t, errors.Join(fdpass.Confide(line, string(handshake.NewSecret())), fdpass.Confide(line, string(last))))
	theirs, err := net.FileConn(child)
	must(t, err)
	defer theirs.Close()
	if got := fdpass.Confided(theirs.(*net.UnixConn)); got != string(last) {
		t.Errorf("the child finds %q; want what came last", got)
	}
}

// ended returns how the other side has ended a connection: what it said before, if it has.
func ended(t *testing.T, conn net.Conn) []byte {
	t.Helper()
	said, err := io.ReadAll(conn)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection stands, after %d bytes", len(said))
	}
	return said
}

// Connections of whoever does not show the secret are few, each says little, and none keeps the
// parent out.
func TestStrangersAreBounded(t *testing.T) {
	p := start(t, "serve")
	oldest := p.dial()
	for range 100 { // more than a handler may have descriptors
		p.dial()
	}
	ended(t, oldest)
	if err := p.ask(grpc_health_v1.Health_Check_FullMethodName, string(p.secret)); err != nil {
		t.Errorf("among a hundred strangers the parent is told %v", err)
	}

	talker := p.dial()
	var talk bytes.Buffer
	talk.WriteString(http2.ClientPreface)
	framer := http2.NewFramer(&talk, nil)
	must(t, framer.WriteSettings())
	for range 1000 { // which are no flood in the eyes of gRPC
		must(t, framer.WriteWindowUpdate(0, 1))
	}
	_, _ = talker.Write(talk.Bytes()) // one that is cut off may have said less
	ended(t, talker)
}

// A stranger that calls nothing has some time for that, and no more.
func TestAStrangerThatCallsNothing(t *testing.T) {
	t.Parallel()
	conn := start(t, "serve").dial()
	_, err := conn.Write([]byte(http2.ClientPreface))
	must(t, errors.Join(err, http2.NewFramer(conn, nil).WriteSettings()))
	ended(t, conn)
}

// Another user's connection ends before a byte of it is read, whatever it could show.
func TestAnotherUserIsNoParent(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can be another user")
	}
	for _, secret := range []handshake.Secret{handshake.NewSecret(), ""} {
		p := startWith(t, "serve", secret)
		conn, err := harness.ConnectAs(65534, p.socket())
		must(t, err)
		defer conn.Close()
		must(t, conn.SetDeadline(time.Now().Add(patience)))
		if said := ended(t, conn); len(said) > 0 {
			t.Errorf("another user is told %q", said)
		}
	}
}
