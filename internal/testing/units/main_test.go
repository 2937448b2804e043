package units_test

import (
	"fmt"
	"os"
	"testing"
)

// TestMain runs the tests; or this process is the first one of a machine, and becomes
// systemd; or it tries what the service may not do.
func TestMain(m *testing.M) {
	if shipped := os.Getenv(initVariable); shipped != "" {
		fmt.Fprintln(os.Stderr, runInit(shipped))
		os.Exit(1)
	}
	if file := os.Getenv(probeVariable); file != "" {
		if err := runProbe(file); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}
