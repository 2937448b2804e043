package procfile

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestReadIsReadFile(t *testing.T) {
	dir := t.TempDir()
	for _, size := range []int{0, 1, usualBytes - 1, usualBytes, usualBytes + 1, 100_000} {
		path := filepath.Join(dir, "file")
		want := bytes.Repeat([]byte("0123456789abcde\n"), size/16+1)[:size]
		if err := os.WriteFile(path, want, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := Read(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes: %d bytes, %v", size, len(got), err)
		}
	}
	got, err := Read("/proc/sys/kernel/random/boot_id")
	want, wantErr := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil || wantErr != nil || !bytes.Equal(got, want) {
		t.Errorf("boot_id: %q, %v; want %q", got, err, want)
	}
	if _, err := Read(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if _, err := Read(dir); err == nil {
		t.Error("a folder was read")
	}
}
