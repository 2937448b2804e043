package pool

import (
	"context"
	"os"
	"testing"

	"go.uber.org/goleak"

	"bulkhead/handler"
	"bulkhead/internal/child"
)

// TestMain makes this test binary a handler when a pool starts it.
func TestMain(m *testing.M) {
	if os.Getenv(child.Handshake().MagicCookieKey) != "" {
		if handler.Run(context.Background()) != nil { // what went wrong is for the parent to say
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}
