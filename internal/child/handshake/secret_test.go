package handshake_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"bulkhead/internal/child/handshake"
	"bulkhead/internal/fdpass"
)

func TestSecretsAreNotGuessed(t *testing.T) {
	a, b := handshake.NewSecret(), handshake.NewSecret()
	if a == b || len(a) != fdpass.SecretBytes || len(b) != fdpass.SecretBytes {
		t.Errorf("two secrets of %d and %d bytes; want %d, and two", len(a), len(b), fdpass.SecretBytes)
	}
	if !a.Is([]string{string(a)}) || a.Is([]string{string(b)}) || a.Is(nil) {
		t.Error("a secret is taken for another")
	}
}

// A log does not have a secret that comes into it by accident; a roster does.
func TestSecretsAreNotPrinted(t *testing.T) {
	secret := handshake.NewSecret()
	within := struct{ Secret handshake.Secret }{secret}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		fmt.Fprintf(&out, verb+verb, secret, within)
	}
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("it is", "secret", secret)
	}
	if said := out.String(); strings.Contains(said, string(secret)) ||
		strings.Contains(said, fmt.Sprintf("%x", string(secret))) {
		t.Errorf("the secret is printed: %s", said)
	}
	if data, err := json.Marshal(within); err != nil || !strings.Contains(string(data), string(secret)) {
		t.Errorf("as JSON it is %s, %v; want the secret", data, err)
	}
}
