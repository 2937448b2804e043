package isolation_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	"bulkhead/internal/child/handshake"
	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/rundir"
)

// rostered returns what a supervisor has noted of its one handler that has a client.
func rostered(t *testing.T, s *running) rundir.Rostered {
	t.Helper()
	found, bad, err := rundir.NewRoster(filepath.Join(s.RunDir, rundir.HandlerFolder)).Load()
	expect.NoError(t, errors.Join(append(bad, err)...))
	if len(found) != 1 {
		t.Fatalf("the roster has %d handlers; want one", len(found))
	}
	return found[0]
}

// call calls a handler's socket over a connection of its own, as another process does that knows
// where it is.
func call(t *testing.T, address string, f func(context.Context, *grpc.ClientConn) error) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := grpc.NewClient("passthrough:///handler", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", address)
		}))
	expect.NoError(t, err)
	defer conn.Close()
	return f(ctx, conn)
}

// takeOver does with a handler what a supervisor does that has been started again, and acknowledges
// whatever its client may say.
func takeOver(connection uint64) func(context.Context, *grpc.ClientConn) error {
	return func(ctx context.Context, conn *grpc.ClientConn) error {
		stream, err := bulkheadv1.NewHandlerServiceClient(conn).Serve(ctx)
		if err != nil {
			return err
		}
		for _, f := range []*bulkheadv1.SupervisorFrame{
			{Frame: &bulkheadv1.SupervisorFrame_Open{Open: &bulkheadv1.Open{ConnectionId: connection,
				OrphanGraceNano: int64(patience)}}},
			{Frame: &bulkheadv1.SupervisorFrame_Ack{Ack: &bulkheadv1.Ack{Seq: 1 << 40}}},
		} {
			if err := stream.Send(f); err != nil && !errors.Is(err, io.EOF) { // Recv says why
				return err
			}
		}
		_, err = stream.Recv()
		return err
	}
}

// In the gap after a supervisor's death, a process of its user knows the socket of a handler, and
// tries to have the handler's client. It gets nothing, whatever it calls; and when the supervisor is
// started again, the client has noticed nothing, and every message is there.
func TestNobodyElseHasAClientInTheGap(t *testing.T) {
	t.Parallel()
	state := newStateDir(t)
	s := startCommand(t, command(state))
	l := loads(t, s, 1)[0]
	h := rostered(t, s)
	said := []string{s.status().String(), protojson.Format(s.status())}
	said = append(said, showsOfProcess(t, h.Child.Pid)...)
	s.Kill()

	calls := map[string]func(context.Context, *grpc.ClientConn) error{
		"Probe": func(ctx context.Context, conn *grpc.ClientConn) error {
			is, err := bulkheadv1.NewHandlerServiceClient(conn).Probe(ctx, &bulkheadv1.ProbeRequest{})
			if err == nil {
				err = fmt.Errorf("it says that it is %v", is)
			}
			return err
		},
		"Serve": takeOver(h.Connection),
		"its health": func(ctx context.Context, conn *grpc.ClientConn) error {
			_, err := grpc_health_v1.NewHealthClient(conn).Check(ctx,
				&grpc_health_v1.HealthCheckRequest{Service: handshake.Service})
			return err
		},
		"what is not there": func(ctx context.Context, conn *grpc.ClientConn) error {
			return conn.Invoke(ctx, "/plugin.GRPCController/Shutdown", &bulkheadv1.ProbeRequest{},
				&bulkheadv1.ProbeResponse{})
		},
	}
	for name, f := range calls {
		for _, secret := range []string{"", strings.Repeat("0", len(h.Child.Secret)), string(h.Child.Secret) + "0"} {
			err := call(t, h.Child.Address, func(ctx context.Context, conn *grpc.ClientConn) error {
				if secret != "" {
					ctx = metadata.AppendToOutgoingContext(ctx, handshake.SecretKey, secret)
				}
				return f(ctx, conn)
			})
			if status.Code(err) != codes.PermissionDenied {
				t.Errorf("%s with %d bytes in the place of the secret: %v; want PERMISSION_DENIED", name, len(secret),
					err)
			}
		}
	}
	crowd(t, h.Child.Address)
	if os.Getuid() == 0 {
		conn, err := harness.ConnectAs(65534, h.Child.Address)
		expect.NoError(t, err)
		wantClosed(t, conn, "another user's connection")
	}

	said = append(said, s.Log())
	s = startCommand(t, command(state))
	l.goesOn(t)
	if again := rostered(t, s); again.Child != h.Child {
		t.Error("the roster has another handler")
	}
	sent := l.finish(t)
	rep := s.finish(exitComplete)
	journalled(t, s, map[*load]uint64{l: sent})
	unharmed(t, rep, l, sent)

	said = append(said, s.Log())
	expect.NoError(t, filepath.WalkDir(state, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			var data []byte
			data, err = os.ReadFile(path)
			said = append(said, string(data))
		}
		return err
	}))
	for _, text := range said {
		if at := strings.Index(text, string(h.Child.Secret)); at >= 0 {
			t.Errorf("the secret of a handler is told: %.200q", text[max(0, at-100):])
		}
	}
}

// showsOfProcess returns what a process shows of how it was started.
func showsOfProcess(t *testing.T, pid int) []string {
	t.Helper()
	var all []string
	for _, name := range []string{"environ", "cmdline", "status"} {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
		expect.NoError(t, err)
		if name != "status" && len(data) == 0 {
			t.Fatalf("process %d has no %s", pid, name)
		}
		all = append(all, string(data))
	}
	return all
}

// crowd holds connections to a handler of which each says something else, and more of them than the
// handler may have descriptors. They are there until the test ends.
func crowd(t *testing.T, address string) {
	t.Helper()
	for i := range 100 {
		conn, err := net.Dial("unix", address)
		expect.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		switch i % 4 {
		case 1:
			_, err = conn.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
		case 2:
			_, err = conn.Write(frames(func(f *http2.Framer) { _ = f.WritePing(false, [8]byte{}) }))
		case 3:
			_, err = conn.Write(bytes.Repeat([]byte{0xff}, 64<<10))
		}
		_ = err // one that is cut off has had its answer
	}
}

// wantClosed checks that the other side ends a connection, and says nothing before.
func wantClosed(t *testing.T, conn net.Conn, what string) {
	t.Helper()
	defer conn.Close()
	expect.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
	if data, err := io.ReadAll(conn); len(data) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%s is answered %q, %v; want that it is closed", what, data, err)
	}
}
