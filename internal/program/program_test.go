package program

import (
	"os"
	"path/filepath"
	"testing"
)

// The path by which a shell found a program is kept, links and all, and made absolute.
func TestInvokedPath(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"real", "other"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("real", filepath.Join(dir, "tool")); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	t.Setenv("PATH", dir)
	for name, want := range map[string]string{
		"tool":              dir + "/tool",
		"./tool":            dir + "/tool",
		dir + "/tool":       dir + "/tool",
		"current/../tool":   dir + "/current/../tool",
		"not-in-the-folder": "",
	} {
		got, ok := invokedPath(name)
		if got != want || ok != (want != "") {
			t.Errorf("%s leads to %q, %t; want %q", name, got, ok, want)
		}
	}
	for other, want := range map[string]bool{"tool": true, "real": true, "other": false, "missing": false} {
		if got := sameFile("real", other); got != want {
			t.Errorf("real and %s are one file: %t", other, got)
		}
	}
}
