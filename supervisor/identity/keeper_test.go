package identity

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

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
	if !counts(k, "first") || counts(k, "") || counts(k, "first\n") || counts(k, "second") {
		t.Error("the token is not that of the file")
	}
	for _, bad := range []struct {
		text string
		mode os.FileMode
	}{{"", 0o600}, {"second\n", 0o644}, {"second\nthird\n", 0o600}} {
		write(bad.text, bad.mode)
		log.Reset()
		k.refresh()
		if !counts(k, "first") || counts(k, "second") || counts(k, "") ||
			!strings.Contains(log.String(), "level=ERROR") {
			t.Errorf("%q of mode %o counts, or nothing is said of it: %s", bad.text, bad.mode, log)
		}
	}
	write("second\n", 0o600)
	k.refresh()
	if !counts(k, "second") || counts(k, "first") || strings.Contains(log.String(), "second") {
		t.Errorf("the new token does not count, or the old one does, or the log has it: %s", log)
	}
}

// TestFilesThatFailedAreReadAgain has files that cannot be read for a while, and then can: without
// a further change they count when they are tried again, which is later each time and said once.
func TestFilesThatFailedAreReadAgain(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("first"), 0o600); err != nil {
		t.Fatal(err)
	}
	log := new(bytes.Buffer)
	k, err := NewKeeper(config.Supervisor{TokenFile: token}, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	k.clock = func() time.Time { return now }
	if err := os.WriteFile(token, []byte("second"), 0o600); err != nil {
		t.Fatal(err)
	}
	const tries = 5
	var waits []time.Duration
	withoutDescriptors(t, func() {
		for failed := now; len(waits) < tries; now = now.Add(lookEvery / 2) {
			was := k.trouble.Failures
			if k.refresh(); k.trouble.Failures > was {
				waits, failed = append(waits, now.Sub(failed)), now
			}
			if len(waits) == 0 || now.Sub(failed) > 2*retry.Most {
				t.Fatalf("the file was tried after %v, and then no more", waits)
			}
		}
	})
	for i := 2; i < len(waits); i++ {
		if waits[i] < waits[i-1] || waits[i] > retry.Most+lookEvery {
			t.Errorf("the file was tried after %v", waits)
		}
	}
	if n := strings.Count(log.String(), "level=ERROR"); n != 1 {
		t.Errorf("it was said %d times:\n%s", n, log)
	}
	now = now.Add(retry.Most)
	if k.refresh(); !counts(k, "second") || counts(k, "first") {
		t.Errorf("a file that can be read again is not used:\n%s", log)
	}
	if k.refresh(); strings.Count(log.String(), "were read again") != 1 {
		t.Errorf("it was read again more than once:\n%s", log)
	}
}

// withoutDescriptors calls do while this process cannot open any file.
func withoutDescriptors(t *testing.T, do func()) {
	t.Helper()
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
			t.Error(err)
		}
	}()
	do()
}

// TestChangesOfModeAndOwnerCount mends a file by chmod(2) and chown(2), and by putting it where there
// was none: that changes nothing that was written, and counts at once.
func TestChangesOfModeAndOwnerCount(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil, mend func(file string) error
		root        bool
	}{
		"mode": {spoil: func(file string) error { return os.Chmod(file, 0o644) },
			mend: func(file string) error { return os.Chmod(file, 0o600) }},
		"owner": {spoil: func(file string) error { return os.Chown(file, 65534, -1) },
			mend: func(file string) error { return os.Chown(file, 0, -1) }, root: true},
		"absence": {spoil: func(file string) error { return os.Rename(file, file+".away") },
			mend: func(file string) error { return os.Rename(file+".away", file) }},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.root && syscall.Geteuid() != 0 {
				t.Skip("only root can give a file away")
			}
			file := filepath.Join(t.TempDir(), "token")
			if err := os.WriteFile(file, []byte("first"), 0o600); err != nil {
				t.Fatal(err)
			}
			log := new(bytes.Buffer)
			k, err := NewKeeper(config.Supervisor{TokenFile: file}, slog.New(slog.NewTextHandler(log, nil)))
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(os.WriteFile(file, []byte("second"), 0o600), tt.spoil(file)); err != nil {
				t.Fatal(err)
			}
			if k.refresh(); counts(k, "second") || !strings.Contains(log.String(), "level=ERROR") {
				t.Errorf("a spoilt file is used, or nothing is said of it:\n%s", log)
			}
			if err := tt.mend(file); err != nil {
				t.Fatal(err)
			}
			if k.refresh(); !counts(k, "second") {
				t.Errorf("the mended file is not used:\n%s", log)
			}
			if err := tt.spoil(file); err != nil {
				t.Fatal(err)
			}
			log.Reset()
			if k.refresh(); !counts(k, "second") || !strings.Contains(log.String(), "level=ERROR") {
				t.Errorf("what was read before is lost, or nothing is said:\n%s", log)
			}
		})
	}
}

// counts reports whether a token lets somebody in.
func counts(k *Keeper, token string) bool {
	_, no := k.Now().Who(Verdict{}, token)
	return no == nil
}
