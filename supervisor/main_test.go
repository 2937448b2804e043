package supervisor_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"bulkhead/handler"
	"bulkhead/internal/child"
	"bulkhead/internal/config"
	"bulkhead/supervisor"
)

const (
	// lieEnv makes this test binary a handler that lies, in the way it names.
	lieEnv = "SUPERVISOR_TEST_LIE"
	// stateEnv makes this test binary a supervisor on the state directory it names.
	stateEnv = "SUPERVISOR_TEST_STATE"
	// earlierEnv makes this test binary a handler of an earlier program, whose client's Hello it
	// has.
	earlierEnv = "SUPERVISOR_TEST_EARLIER"
)

// TestMain makes this test binary a handler when a supervisor starts it, and a
// supervisor, a lying or an earlier handler when a test asks for one.
func TestMain(m *testing.M) {
	switch {
	case os.Getenv(stateEnv) != "":
		os.Exit(exitStatus(supervise(os.Getenv(stateEnv))))
	case os.Getenv(lieEnv) != "":
		os.Exit(exitStatus(lie(os.Getenv(lieEnv))))
	case os.Getenv(earlierEnv) != "":
		os.Exit(exitStatus(serveAsEarlier(os.Getenv(earlierEnv))))
	case os.Getenv(child.Handshake().MagicCookieKey) != "":
		os.Exit(exitStatus(handler.Run(context.Background())))
	}
	goleak.VerifyTestMain(m)
}

// exitStatus returns the exit status of a program that ends with err. What went wrong is
// for the parent to say: go-plugin has replaced os.Stderr.
func exitStatus(err error) int {
	if err == nil {
		return 0
	}
	return 1
}

// supervise runs a supervisor that says where it listens, to be killed.
func supervise(dir string) error {
	cfg := settings(dir)
	cfg.Handler.Pool, cfg.Handler.StartTimeout = 1, time.Minute
	cfg.Ready = func(r supervisor.Ready) { fmt.Println(r.Listen, r.RunDir) }
	_, err := supervisor.Run(context.Background(), cfg, nil)
	return err
}

// settings returns the settings of a supervisor on a free port and a state directory, whose handlers
// are this test binary.
func settings(stateDir string) supervisor.Config {
	defaults, err := config.LoadSupervisor("", nil, nil)
	if err != nil {
		panic(err) // a test of config loads them
	}
	cfg := supervisor.Config{Supervisor: defaults}
	cfg.Listen, cfg.StateDir, cfg.Handler.Path, cfg.Linger = "127.0.0.1:0", stateDir, os.Args[0], 0
	return cfg
}
