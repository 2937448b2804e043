package handshake

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"

	"bulkhead/internal/fdpass"
)

// SecretKey is the key of the metadata by which every call on a child shows the child's secret.
const SecretKey = "bulkhead-secret"

// Secret is what a child and those who may call it know, and nobody else. Its parent makes it, gives
// it to the child on the line, and keeps it for whoever takes the child up. "" is none: parent or
// child is of a version that had none.
//
// It formats as a word, so that no log has it by accident.
type Secret string

// NewSecret returns the secret of another child: random bytes in hexadecimal.
func NewSecret() Secret {
	var b [fdpass.SecretBytes / 2]byte
	_, _ = rand.Read(b[:]) // never fails
	return Secret(hex.EncodeToString(b[:]))
}

// Is reports whether the values that came with a call show the secret. How long it takes says
// nothing of how much of it is right.
func (s Secret) Is(shown []string) bool {
	return len(shown) == 1 && subtle.ConstantTimeCompare([]byte(shown[0]), []byte(s)) == 1
}

const hidden = "(secret)"

// Format implements fmt.Formatter.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue(hidden) }
