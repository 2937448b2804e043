package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"bulkhead/internal/testing/harness"
)

// TestMain builds the programs once and puts them first on PATH, for the scripts; or this
// is a bulkhead that reads its command line and does nothing.
func TestMain(m *testing.M) {
	if root := os.Getenv(parseVariable); root != "" {
		os.Exit(parseOnly(root, os.Args))
	}
	os.Exit(withPrograms(m.Run))
}

// withPrograms calls do with bulkhead and bulkhead-handler, side by side as they
// are installed, on PATH. They are built with the race detector if this test is.
func withPrograms(do func() int) int {
	bin, err := os.MkdirTemp("", "bulkhead-bin-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "making a folder for the programs:", err)
		return 1
	}
	defer os.RemoveAll(bin)
	var flags []string
	if raceEnabled() {
		flags = append(flags, "-race")
	}
	if _, err := harness.Build(bin, flags...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	path := bin + string(filepath.ListSeparator) + os.Getenv("PATH")
	if err := os.Setenv("PATH", path); err != nil {
		fmt.Fprintln(os.Stderr, "setting PATH:", err)
		return 1
	}
	return do()
}

// raceEnabled reports whether the test binary has the race detector.
func raceEnabled() bool {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return false
	}
	for _, s := range info.Settings {
		if s.Key == "-race" {
			return s.Value == "true"
		}
	}
	return false
}

// scripts is where the scripts are.
var scripts = filepath.Join("testdata", "script")

// together are the scripts in which programs of every kind run at the same time: the
// ones for the race detector, and so for -short.
var together = []string{
	"drain", "kill_supervisor", "resend", "run_three_clients", "verify_load",
}

// TestScripts runs testdata/script, or with -short some of it. Every script has a folder
// for temporary files of its own in $TMPDIR, with a path short enough for unix sockets,
// and must leave no process behind.
func TestScripts(t *testing.T) {
	dir, files := scripts, []string(nil)
	if testing.Short() {
		dir = "" // it would add all the others
		for _, name := range together {
			files = append(files, filepath.Join(scripts, name+".txtar"))
		}
	}
	testscript.Run(t, testscript.Params{
		Dir: dir, Files: files,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                commands(),
		Setup:               setup,
	})
}

// setup prepares a script's environment and what cleans up behind it.
func setup(env *testscript.Env) error {
	tmp, err := os.MkdirTemp("", "bh")
	if err != nil {
		return err
	}
	env.Setenv("TMPDIR", tmp)
	configs, err := filepath.Abs(filepath.Join("..", "..", "configs"))
	if err != nil {
		return err
	}
	env.Setenv("CONFIGS", configs)
	if env.Getenv("GORACE") == "" {
		env.Setenv("GORACE", "atexit_sleep_ms=10") // instead of a second at every exit
	}
	tb := env.T().(testing.TB)
	p := &processes{environment: env.Vars, running: make(map[string]*process)}
	env.Values[processesKey{}] = p
	env.Defer(func() {
		p.end(tb)
		reportLeftovers(tb, env.WorkDir, tmp)
		reportForbidden(tb, env.WorkDir)
		if err := os.RemoveAll(tmp); err != nil {
			tb.Error(err)
		}
	})
	return nil
}
