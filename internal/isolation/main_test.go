package isolation_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	_ "bulkhead/handler" // runs in the programs only; a change to it makes cached results stale
	"bulkhead/internal/harness"
)

// patience is how long anything that must happen may take on a slow, busy machine.
// Only a test that fails waits that long.
const patience = 60 * time.Second

// bin is where TestMain puts the programs; it is written before any test.
var bin string

func TestMain(m *testing.M) { os.Exit(run(m)) }

// run builds the programs and runs the tests.
func run(m *testing.M) int {
	if os.Getenv("BULKHEAD_TEST_ISOLATION") == "off" {
		fmt.Println("skipped: BULKHEAD_TEST_ISOLATION=off")
		return 0
	}
	dir, err := os.MkdirTemp("", "bulkhead-isolation-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	var flags []string
	if raceEnabled {
		flags = append(flags, "-race")
	}
	if bin, err = harness.Build(dir, flags...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}
