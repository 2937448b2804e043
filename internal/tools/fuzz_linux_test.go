package tools

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What go test says of a target, as far as a script can go by it.
const (
	passes  = "fuzz: elapsed: 3s, execs: 40304 (13431/sec)\nPASS\nok  \tbulkhead/p\t3.2s\n"
	endsBad = "fuzz: elapsed: 3s, execs: 40304 (0/sec)\n--- FAIL: FuzzIt (3.20s)\n    context deadline exceeded\n" +
		"FAIL\nexit status 1\nFAIL\tbulkhead/p\t3.2s\n"
	crashes = "--- FAIL: FuzzIt (0.20s)\n    --- FAIL: FuzzIt (0.00s)\n" +
		"        p_test.go:7: context deadline exceeded\n" +
		"    \n    Failing input written to testdata/fuzz/FuzzIt/582528ddfad69eb5\nFAIL\n"
	crashesLate = "--- FAIL: FuzzIt (3.20s)\n    context deadline exceeded\n" +
		"    Failing input written to testdata/fuzz/FuzzIt/582528ddfad69eb5\nFAIL\n"
	seedFails = "--- FAIL: FuzzIt (0.00s)\n    --- FAIL: FuzzIt/seed#0 (0.00s)\n" +
		"        context deadline exceeded\nFAIL\n"
	another   = "--- FAIL: FuzzItToo (3.20s)\n    context deadline exceeded\nFAIL\n"
	atNothing = "p_test.go:7:2: undefined: context\nFAIL\tbulkhead/p [build failed]\n"
)

// scriptedGo writes a program that says and exits as its runs are told, one after the other, and
// notes in a file what it was called with.
func scriptedGo(t *testing.T, said ...string) (program, calls string) {
	t.Helper()
	dir := t.TempDir()
	program, calls = filepath.Join(dir, "go"), filepath.Join(dir, "calls")
	for i, s := range said {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i+1)), []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	script := `#!/bin/sh
echo "$*" >>'` + calls + `'
n=$(grep -c . '` + calls + `')
cat '` + dir + `'/"$n"
! grep -q FAIL '` + dir + `'/"$n"
`
	if err := os.WriteFile(program, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return program, calls
}

// fuzz runs the script in a folder, and returns what it said, its exit status, and what go was called
// with.
func fuzz(t *testing.T, dir, program, calls string, args ...string) (said string, code int, called []string) {
	t.Helper()
	script, err := filepath.Abs("fuzz.sh")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "sh", append([]string{script}, args...)...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GO="+program, "FUZZTIME=3s")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	log, err := os.ReadFile(calls)
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out), cmd.ProcessState.ExitCode(), strings.Split(strings.TrimSpace(string(log)), "\n")
}

// Only a target that Go itself has cut short is run again, and once.
func TestFuzzRunsAgainWhatWasCutShort(t *testing.T) {
	for name, tt := range map[string]struct {
		said []string
		code int
	}{
		"it passes":                        {[]string{passes}, 0},
		"cut short, and it passes":         {[]string{endsBad, passes}, 0},
		"cut short twice":                  {[]string{endsBad, endsBad}, 1},
		"cut short, and it crashes":        {[]string{endsBad, crashes}, 1},
		"it crashes":                       {[]string{crashes}, 1},
		"it crashes as its time is over":   {[]string{crashesLate}, 1},
		"one of its seeds fails":           {[]string{seedFails}, 1},
		"another target was cut short":     {[]string{another}, 1},
		"the package cannot be built":      {[]string{atNothing}, 1},
		"the words, and a failure besides": {[]string{"context deadline exceeded\n" + crashes}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			program, calls := scriptedGo(t, tt.said...)
			said, code, called := fuzz(t, t.TempDir(), program, calls, "./p", "FuzzIt")
			if code != tt.code || len(called) != len(tt.said) {
				t.Errorf("it exits with %d after %d runs; want %d after %d\n%s", code, len(called), tt.code,
					len(tt.said), said)
			}
			for _, s := range tt.said {
				if !strings.Contains(said, s) {
					t.Errorf("it does not say\n%s\nbut\n%s", s, said)
				}
			}
			for _, c := range called {
				if want := "test -run ^$ -fuzz ^FuzzIt$ -fuzztime 3s -parallel 1 ./p"; c != want {
					t.Errorf("go is called with %q; want %q", c, want)
				}
			}
		})
	}
}

// Every target of the tree has its run, whatever becomes of the others, and one that fails is not
// forgotten.
func TestFuzzRunsEveryTarget(t *testing.T) {
	dir := t.TempDir()
	for _, pkg := range []string{"a", "b"} {
		if err := os.Mkdir(filepath.Join(dir, pkg), 0o700); err != nil {
			t.Fatal(err)
		}
		text := "package " + pkg + "\n\nfunc FuzzIt(f *testing.F) {}\n\nfunc FuzzItToo(f *testing.F) {}\n"
		if err := os.WriteFile(filepath.Join(dir, pkg, "it_test.go"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"init", "-q"}, {"add", "."}} {
		if out, err := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir}, args...)...).
			CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v: %s", args, err, out)
		}
	}
	program := filepath.Join(t.TempDir(), "go")
	calls := program + "-calls"
	script := "#!/bin/sh\necho \"$*\" >>'" + calls + "'\ncase $*-$5 in *./a-'^FuzzIt$') exit 1 ;; esac\n"
	if err := os.WriteFile(program, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	said, code, called := fuzz(t, dir, program, calls)
	if code == 0 || len(called) != 4 {
		t.Errorf("it exits with %d after %q; want a failure after all four\n%s", code, called, said)
	}
	for _, pkg := range []string{"./a", "./b"} {
		for _, target := range []string{"FuzzIt", "FuzzItToo"} {
			if !strings.Contains(said, "fuzz "+pkg+" "+target+"\n") {
				t.Errorf("nothing is said of %s %s:\n%s", pkg, target, said)
			}
		}
	}
}
