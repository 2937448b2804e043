package faults_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	_ "bulkhead/client" // these run in the programs only; a change to them makes cached results stale
	_ "bulkhead/handler"
	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	_ "bulkhead/supervisor"
)

// patience is how long anything that must happen may take on a slow, busy machine.
// Only a test that fails waits that long.
const patience = expect.Patience

// programs are the real programs, built once each way and only when asked for.
type programs struct {
	dir   string
	plain func() (string, error)
	// failing has the failpoints of internal/failpoint built in.
	failing func() (string, error)
}

// built is set by TestMain, before any test.
var built programs

func TestMain(m *testing.M) { os.Exit(run(m)) }

// run makes a place for the programs and runs the tests.
func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "bulkhead-faults-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	build := func(name string, flags ...string) func() (string, error) {
		return sync.OnceValues(func() (string, error) {
			bin := filepath.Join(dir, name)
			if err := os.Mkdir(bin, 0o755); err != nil {
				return "", err
			}
			return harness.Build(bin, flags...)
		})
	}
	built = programs{dir: dir, plain: build("plain"), failing: build("failing", "-tags", "failpoints")}
	return m.Run()
}
