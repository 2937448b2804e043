package isolation_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	_ "bulkhead/handler" // runs in the programs only; a change to it makes cached results stale
	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
)

// patience is how long anything that must happen may take on a slow, busy machine.
// Only a test that fails waits that long.
const patience = expect.Patience

// bin is where TestMain puts the programs, and buildFlags are how it builds them; they
// are written before any test.
var (
	bin        string
	buildFlags []string
)

// faulty is where the programs are that can be made to fail at a named point; they are
// built when the first test wants them.
var faulty = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(bin, "faulty")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	return harness.Build(dir, append([]string{"-tags", "failpoints"}, buildFlags...)...)
})

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
	if raceEnabled {
		buildFlags = append(buildFlags, "-race")
		if os.Getenv("GORACE") == "" {
			os.Setenv("GORACE", "atexit_sleep_ms=10") // instead of a second at every exit
		}
	}
	if bin, err = harness.Build(dir, buildFlags...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}
