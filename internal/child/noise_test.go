package child_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"

	"bulkhead/internal/child"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// told receives SIGUSR1.
func told() <-chan os.Signal {
	c := make(chan os.Signal, 1)
	signal.Notify(c, unix.SIGUSR1)
	return c
}

// flood writes without end once it is told to.
func flood(r string, told <-chan os.Signal) {
	<-told
	line := []byte(strings.Repeat("x", 1000) + "\n")
	if r == "flooding" {
		for {
			_, _ = unix.Write(unix.Stderr, line)
		}
	}
	for { // where the log goes too
		_, _ = os.Stdout.Write(line)
	}
}

// withPlugins acts as a child with go-plugin's own server, which offers its parent a stream of what
// is printed and a broker of further connections. It ends with calledForPlugin when it is asked for
// one of them.
func withPlugins() int {
	return servePlugin(grpc.StreamInterceptor(func(_ any, _ grpc.ServerStream, info *grpc.StreamServerInfo,
		_ grpc.StreamHandler) error {
		fmt.Fprintln(os.Stderr, "asked for", info.FullMethod)
		os.Exit(calledForPlugin)
		return nil
	}))
}

const calledForPlugin = 77

// servePlugin serves nothing by go-plugin's own server.
func servePlugin(more ...grpc.ServerOption) int {
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: child.Handshake(), Logger: hclog.NewNullLogger(),
		Plugins: plugin.PluginSet{"bulkhead": nothing{}},
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(opts, more...)...)
		},
	})
	return 0
}

// nothing is a plugin that serves nothing.
type nothing struct{ plugin.NetRPCUnsupportedPlugin }

func (nothing) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error { return nil }
func (nothing) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, nil
}

// A child that keeps its parent busy with what nobody asked for is killed, and that is
// how its end is told.
func TestAChildThatMakesTooMuchNoiseIsKilled(t *testing.T) {
	for r, why := range map[string]string{
		"flooding": "it flooded its log with more than 8 MiB",
		"printing": "it flooded its log with more than 8 MiB",
	} {
		t.Run(r, func(t *testing.T) {
			c := start(t, r, slog.New(slog.DiscardHandler))
			if err := unix.Kill(c.Pid(), unix.SIGUSR1); err != nil {
				t.Fatal(err)
			}
			select {
			case <-c.Done():
			case <-time.After(20 * time.Second):
				t.Fatal("it lives")
			}
			if e := c.Exit(); e.Class() != bulkheadv1.ExitClass_EXIT_CLASS_PROTOCOL ||
				e.String() != "broke the protocol: "+why+"; killed" {
				t.Errorf("it ended as %v: %s; want that it %s", e.Class(), e, why)
			}
		})
	}
}

// A child has nothing to say over the streams that go-plugin opens for itself: it is not asked for
// them.
func TestNobodyAsksForTheStreamsOfGoPlugin(t *testing.T) {
	c := start(t, "with plugins", slog.New(slog.DiscardHandler))
	for range 3 { // calls that come behind whatever was called before
		if err := c.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if e := c.Stop(ctx); e.Code == calledForPlugin {
		t.Errorf("it was %s", strings.Join(e.LastWords, "; "))
	}
}

// A start that is given up at any moment leaves nothing, not even a connection, which
// TestMain would find.
func TestAStartThatIsGivenUpLeavesNoConnection(t *testing.T) {
	dir := t.TempDir()
	begin := time.Now()
	c, err := child.Start(t.Context(), config("serve", dir, slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	whole := time.Since(begin)
	c.Kill()
	for i := range 100 {
		ctx, cancel := context.WithTimeout(t.Context(), whole*time.Duration(50+i)/100)
		if c, err := child.Start(ctx, config("serve", dir, slog.New(slog.DiscardHandler))); err == nil {
			c.Kill()
		}
		cancel()
	}
}
