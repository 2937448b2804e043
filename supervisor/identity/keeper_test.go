package identity

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bulkhead/internal/certs"
	"bulkhead/internal/config"
	"bulkhead/internal/tokens"
)

// TestFilesAreReadAgain changes the files of a supervisor that runs: what is new counts at once, and
// what cannot be used changes nothing and is said.
func TestFilesAreReadAgain(t *testing.T) {
	first, second := newLab(t), newLab(t)
	file := filepath.Join(t.TempDir(), "tokens")
	write := func(path string, data []byte) {
		t.Helper()
		next := path + ".next" // moved into place, as a careful program does
		if err := os.WriteFile(next, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(next, path); err != nil {
			t.Fatal(err)
		}
	}
	alpha, err := tokens.New("alpha")
	if err != nil {
		t.Fatal(err)
	}
	write(file, nil)
	var cfg config.Supervisor
	cfg.TLS = config.ServerTLS{Cert: first.file(certs.SupervisorFile), Key: first.file(certs.SupervisorKey)}
	cfg.Tokens = file
	log := new(bytes.Buffer)
	k, err := NewKeeper(cfg, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	was := k.Now()
	k.refresh()
	if k.Now() != was {
		t.Error("files that did not change were read again")
	}
	write(file, []byte(alpha.Line()+"\n"))
	k.refresh()
	if k.Now().tokens.Name(alpha.Secret()) != "alpha" || !bytes.Equal(k.Now().pair.Leaf.Raw, was.pair.Leaf.Raw) {
		t.Error("a new token is not known")
	}
	copied := func(name string) {
		t.Helper()
		data, err := os.ReadFile(second.file(name))
		if err != nil {
			t.Fatal(err)
		}
		write(first.file(name), data)
	}
	copied(certs.SupervisorFile) // whose key is not there yet
	log.Reset()
	k.refresh()
	if !bytes.Equal(k.Now().pair.Leaf.Raw, was.pair.Leaf.Raw) || !strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("a certificate without its key is used, or nothing is said of it: %s", log)
	}
	copied(certs.SupervisorKey)
	k.refresh()
	if bytes.Equal(k.Now().pair.Leaf.Raw, was.pair.Leaf.Raw) {
		t.Error("the new certificate is not used")
	}
}

// TestTheSharedTokenIsReadAgain changes the file of the token that all share: the new one counts for who
// comes then, and a file that cannot be used changes nothing.
func TestTheSharedTokenIsReadAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	write := func(text string, mode os.FileMode) {
		t.Helper()
		next := file + ".next"
		if err := errors.Join(os.WriteFile(next, []byte(text), 0o600), os.Chmod(next, mode),
			os.Rename(next, file)); err != nil {
			t.Fatal(err)
		}
	}
	write("first\n", 0o600)
	log := new(bytes.Buffer)
	k, err := NewKeeper(config.Supervisor{TokenFile: file}, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	counts := func(token string) bool {
		_, no := k.Now().Who(Verdict{}, token)
		return no == nil
	}
	if !counts("first") || counts("") || counts("first\n") || counts("second") {
		t.Error("the token is not that of the file")
	}
	for _, bad := range []struct {
		text string
		mode os.FileMode
	}{{"", 0o600}, {"second\n", 0o644}, {"second\nthird\n", 0o600}} {
		write(bad.text, bad.mode)
		log.Reset()
		k.refresh()
		if !counts("first") || counts("second") || counts("") || !strings.Contains(log.String(), "level=ERROR") {
			t.Errorf("%q of mode %o counts, or nothing is said of it: %s", bad.text, bad.mode, log)
		}
	}
	write("second\n", 0o600)
	k.refresh()
	if !counts("second") || counts("first") || strings.Contains(log.String(), "second") {
		t.Errorf("the new token does not count, or the old one does, or the log has it: %s", log)
	}
}
