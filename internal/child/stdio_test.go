package child_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"bulkhead/internal/child"
)

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
