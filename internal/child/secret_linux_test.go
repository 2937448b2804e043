package child_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"bulkhead/internal/child"
	"bulkhead/internal/child/handshake"
)

// ask asks a child for its health over a connection of its own, with this for its secret.
func ask(t *testing.T, address string, secret handshake.Secret) error {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///child", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", address)
		}))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx := metadata.AppendToOutgoingContext(within(t), handshake.SecretKey, string(secret))
	_, err = grpc_health_v1.NewHealthClient(conn).Check(ctx,
		&grpc_health_v1.HealthCheckRequest{Service: handshake.Service})
	return err
}

// wantSecret checks that a child serves its parent, and others only with the secret of its record.
func wantSecret(t *testing.T, c *child.Child) {
	t.Helper()
	rec, err := c.Record()
	if err != nil {
		t.Fatal(err)
	}
	if err := ask(t, rec.Address, handshake.NewSecret()); status.Code(err) != codes.PermissionDenied {
		t.Errorf("with another secret: %v; want PERMISSION_DENIED", err)
	}
	if err := ask(t, rec.Address, rec.Secret); err != nil {
		t.Errorf("with the secret of its record: %v", err)
	}
	if err := c.Ping(within(t)); err != nil {
		t.Errorf("its parent asks: %v", err)
	}
}

func TestEachChildHasItsSecret(t *testing.T) {
	c, other := start(t, "serve", nil), start(t, "serve", nil)
	wantSecret(t, c)
	mine, err := c.Record()
	theirs, fails := other.Record()
	if err := errors.Join(err, fails); err != nil {
		t.Fatal(err)
	}
	if err := ask(t, theirs.Address, mine.Secret); status.Code(err) != codes.PermissionDenied {
		t.Errorf("with the secret of another child: %v; want PERMISSION_DENIED", err)
	}
	for _, name := range []string{"environ", "cmdline"} {
		shown, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", c.Pid(), name))
		if err != nil || len(shown) == 0 || strings.Contains(string(shown), string(mine.Secret)) {
			t.Errorf("%s of a child: %q, %v; want it without the secret", name, shown, err)
		}
	}
}

// Who takes a child up without its secret is not its parent.
func TestAdoptNeedsTheSecret(t *testing.T) {
	for name, secret := range map[string]handshake.Secret{"none": "", "another": handshake.NewSecret()} {
		dir := t.TempDir()
		rec := leave(t, dir)
		rec.Secret = secret
		_, err := child.Adopt(context.Background(), config("", dir, nil), rec, nil)
		if status.Code(err) != codes.PermissionDenied {
			t.Errorf("Adopt with %s = %v; want PERMISSION_DENIED", name, err)
		}
		wantKilled(t, err)
	}
}

// Another process listens where a child that starts says that it does.
func TestStartRefusesAnotherListener(t *testing.T) {
	dir := t.TempDir()
	_, err := child.Start(context.Background(), config("behind another", dir, nil))
	if err == nil || !strings.Contains(err.Error(), "listens on") {
		t.Fatalf("Start = %v; want that another process listens", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left in the socket folder: %v, %v", left, err)
	}
}

// behindAnother says that it listens where another process does, which serves as long as it does.
func behindAnother() int {
	path := filepath.Join(os.Getenv(handshake.SocketDirEnv), "socket")
	other := exec.Command(os.Args[0])
	other.Env = []string{role + "=listen", socketsEntry + "=" + path}
	_, err := other.StdinPipe() // ends with this process
	out, fails := other.StdoutPipe()
	if err = errors.Join(err, fails); err == nil {
		err = other.Start()
	}
	if err == nil {
		_, err = out.Read(make([]byte, 1)) // it listens
	}
	if err != nil {
		return 1
	}
	fmt.Print(handshake.Line(path))
	_ = other.Wait() // this process is killed before
	return 0
}

// listen listens at a path until whoever has started it is gone.
func listen(path string) int {
	if _, err := net.Listen("unix", path); err != nil {
		return 1
	}
	fmt.Println()
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}
