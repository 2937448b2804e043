package flock

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func open(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// One open file at a time has the lock, until it is closed; a file may be locked again by who
// has it.
func TestOneHasTheLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, second := open(t, path), open(t, path)
	for range 2 {
		if err := Try(first); err != nil {
			t.Fatal(err)
		}
	}
	if err := Try(second); !errors.Is(err, ErrHeld) {
		t.Errorf("Try = %v; want ErrHeld", err)
	}
	if err := Within(second, time.Millisecond); !errors.Is(err, ErrHeld) {
		t.Errorf("Within = %v; want ErrHeld", err)
	}
	released := make(chan error)
	go func() { released <- Within(second, time.Minute) }()
	first.Close()
	if err := <-released; err != nil {
		t.Errorf("Within = %v after the lock was released", err)
	}
}

func TestAFileThatIsClosed(t *testing.T) {
	f := open(t, filepath.Join(t.TempDir(), "lock"))
	f.Close()
	if err := Try(f); err == nil || errors.Is(err, ErrHeld) || errors.Is(err, ErrUnsupported) {
		t.Errorf("Try = %v", err)
	}
}
