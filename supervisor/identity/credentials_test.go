package identity

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"bulkhead/internal/config"
	"bulkhead/internal/tokens"
)

// A file may have as many tokens as Parse takes, whatever their names.
func TestManyTokens(t *testing.T) {
	const clients = 20_000
	var text bytes.Buffer
	for i := range clients {
		one, err := tokens.New(fmt.Sprintf("%0100d", i))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&text, one.Line())
	}
	file := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(file, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(config.Supervisor{Tokens: file}); err != nil {
		t.Errorf("%d tokens in %d bytes: %v", clients, text.Len(), err)
	}
}
