package journal

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain runs the tests and fails when they leave a goroutine. The binary is also the
// process that TestAcknowledgedRecordsSurviveSIGKILL kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv(appenderEnv); dir != "" {
		appendUntilKilled(dir)
	}
	goleak.VerifyTestMain(m)
}
