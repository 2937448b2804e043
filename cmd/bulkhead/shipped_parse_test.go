package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"bulkhead/internal/config"
	"bulkhead/internal/results"
	"bulkhead/internal/sink"
)

// parseVariable makes the test binary a bulkhead, or go, that reads its command line as
// the real one does and then does nothing. It is the root of the repository.
const parseVariable = "BULKHEAD_TEST_PARSE"

// placeholders are configuration files that a user is to write.
var placeholders = []string{"my.yaml", "log-and-backup.yaml", "configs/workloads/NAME.yaml"}

// parseOnly reads a command line, as the program of that name, and returns its exit
// status.
func parseOnly(root string, args []string) int {
	var err error
	switch filepath.Base(args[0]) {
	case "go":
		err = parseGo(root, args[1:])
	default:
		return parseBulkhead(root, args)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitUsage
	}
	return exitOK
}

// parseBulkhead calls run, with every command stopping once it has read its settings.
func parseBulkhead(root string, args []string) int {
	out, errs := results.Of(os.Stdout), sink.Of(os.Stderr)
	defer errs.Flush()
	app := newApp(out, errs)
	eachCommand(rootOf(app), "bulkhead", func(c *cli.Command, called string) {
		group := slices.ContainsFunc(c.Subcommands, func(sub *cli.Command) bool { return sub.Name != "help" })
		if !group && c.Name != "help" || called == "bulkhead client" || called == "bulkhead report" {
			c.Action = func(ctx *cli.Context) error { return readSettings(ctx, root) }
		}
	})
	err := runApp(context.Background(), app, args)
	if err != nil {
		fmt.Fprintln(errs, err)
	}
	return exitCode(err)
}

// readSettings reads the settings and arguments of a command.
func readSettings(ctx *cli.Context, root string) error {
	name := strings.Fields(commandName(ctx))[1:]
	takesArguments := ctx.Command.ArgsUsage != ""
	if !takesArguments {
		if err := noArguments(ctx); err != nil {
			return err
		}
	} else if ctx.NArg() == 0 {
		return usageError{fmt.Errorf("an argument is missing")}
	}
	file, err := configFile(ctx)
	switch {
	case err != nil:
		return err
	case slices.Contains(placeholders, file):
		file = ""
	case file == "/etc/bulkhead/supervisor.yaml": // docs/operating.md puts it there
		file = filepath.Join(root, "configs/supervisor.yaml")
	case file != "":
		file = filepath.Join(root, file)
	}
	switch {
	case slices.Equal(name, []string{"client"}), slices.Equal(name, []string{"client", "resend"}):
		_, err = config.LoadClient(file, nil, overrides(ctx, config.ClientKeys()))
	case name[0] == "supervisor", name[0] == "top":
		_, err = config.LoadSupervisor(file, nil, overrides(ctx, config.SupervisorKeys()))
	}
	return err
}

// parseGo looks whether the packages, tests and flags of a command of go are there.
func parseGo(root string, args []string) error {
	if len(args) > 1 && args[0] == "run" && args[1] == "./cmd/bulkhead" {
		if parseBulkhead(root, append([]string{"bulkhead"}, args[2:]...)) != exitOK {
			return fmt.Errorf("go %v: no such command", args)
		}
		return nil
	}
	if len(args) < 2 || args[0] != "test" {
		return fmt.Errorf("go %v: nothing that is known here", args)
	}
	source := ""
	files, err := filepath.Glob(filepath.Join(root, args[1], "*_test.go"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("%s: no package with tests: %w", args[1], err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		source += string(text)
	}
	kinds := map[string]string{"-run": "Test", "-fuzz": "Fuzz", "-bench": "Benchmark"}
	goFlags := []string{"-v", "-short", "-args", "-parallel", "-fuzztime", "-benchtime"}
	for i, a := range args[2:] {
		kind, names := kinds[a]
		switch {
		case names:
			pattern, _, _ := strings.Cut(args[2:][i+1], "/")
			if pattern == "xxx" || pattern == "^$" { // none is meant
				continue
			}
			found := false
			for _, m := range regexp.MustCompile(`(?m)^func (`+kind+`\w+)\(`).FindAllStringSubmatch(source, -1) {
				matched, err := regexp.MatchString(pattern, m[1])
				if err != nil {
					return err
				}
				found = found || matched
			}
			if !found {
				return fmt.Errorf("%s has no %s that matches %q", args[1], kind, pattern)
			}
		case strings.HasPrefix(a, "-") && !slices.Contains(goFlags, a) && !strings.Contains(source, `"`+a[1:]+`"`):
			return fmt.Errorf("%s has no flag %s", args[1], a)
		}
	}
	return nil
}

// stubs returns a folder with everything that a shell finds when it runs a line that is shipped:
// bulkhead and go read their command line only, make says what it would do, and what
// internal/testing/units runs for real does nothing.
func stubs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"bulkhead", "go"} {
		if err := os.Symlink(self, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	make, err := exec.LookPath("make")
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs(repository)
	if err != nil {
		t.Fatal(err)
	}
	scripts := map[string]string{
		"make":      "cd '" + root + "' && PATH=" + os.Getenv("PATH") + " exec " + make + ` -n "$@" >/dev/null`,
		"systemctl": "", "useradd": "", "install": "", // internal/testing/units
		"protoc": "", "python3": "", // internal/testing/isolation, TestTheExampleClientIsServed
	}
	for name, text := range scripts {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// ends are the exit statuses of lines that are to show a mistake.
var ends = map[string]int{
	"bulkhead client --config my.yaml --keep-files=-1": exitConfig,
}

// names are quotations that name a command and are no whole line of it.
var names = []string{
	"bulkhead report", "bulkhead report compare", "bulkhead journal check", "bulkhead verify",
	"bulkhead client resend", "bulkhead client conformance", "bulkhead report … | head",
}

// Every command line that the documents, the shipped files and the help show is one that
// a shell can read and the program takes: its command, flags, values and arguments, the
// target of make, the package and the test.
func TestShippedLinesAreTaken(t *testing.T) {
	lines := helpLines(t)
	for name, text := range documents(t) {
		lines = append(lines, documentLines(name, text)...)
	}
	for _, l := range sourceStrings(t) {
		for _, m := range ownCommand.FindAllStringSubmatch(l.text, -1) {
			if strings.HasPrefix(l.file, "cmd/bulkhead/") && strings.Contains(l.text, "`"+m[1]+"`") {
				lines = append(lines, shippedLine{l.file, m[1]})
			}
		}
	}
	const least = 90 // lines there are, about: fewer were not found
	if len(lines) < least {
		t.Errorf("%d lines were found; want at least %d", len(lines), least)
	}
	path := stubs(t)
	root, err := filepath.Abs(repository)
	if err != nil {
		t.Fatal(err)
	}
	tried := make(map[string]bool)
	for _, line := range lines {
		if tried[line.text] || slices.Contains(names, line.text) {
			continue
		}
		tried[line.text] = true
		cmd := exec.Command("/bin/sh", "-c", line.text)
		cmd.Dir = t.TempDir()
		cmd.Env = []string{"PATH=" + path, parseVariable + "=" + root}
		out, _ := cmd.CombinedOutput() // what it comes to is the exit status
		if got := cmd.ProcessState.ExitCode(); got != ends[line.text] {
			t.Errorf("%s: %s\nexit status %d; want %d\n%s", line.where, line.text, got, ends[line.text], out)
		}
		if testing.Verbose() {
			t.Logf("%s: %s", line.where, line.text)
		}
	}
}
