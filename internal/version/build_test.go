package version

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Two programs of the same version and another content are told apart; the same source
// is the same build wherever it is built.
func TestABuildHasAName(t *testing.T) {
	dir := t.TempDir()
	build := func(name, text string) string {
		source := filepath.Join(dir, name)
		if err := os.MkdirAll(source, 0o755); err != nil {
			t.Fatal(err)
		}
		for file, content := range map[string]string{"go.mod": "module m\ngo 1.26\n",
			"main.go": "package main\nfunc main() { println(\"" + text + "\") }\n"} {
			if err := os.WriteFile(filepath.Join(source, file), []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		program := filepath.Join(dir, name+".program")
		cmd := exec.Command("go", "build", "-trimpath", "-o", program, ".")
		cmd.Dir, cmd.Env = source, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		f, err := os.Open(program)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		return buildOf(f)
	}
	one, other, again := build("one", "1"), build("other", "2"), build("again", "1")
	if len(one) != buildShown || one == other || one != again {
		t.Errorf("builds %q, %q and of the first's source %q; want the first like the last, and unlike the second", one,
			other, again)
	}
}
