package main

import (
	"bytes"
	"os"
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

// printedBy are the command lines that a program puts together while it runs: where the
// string is, how it begins, and the test that makes the program print it and has a shell
// run it.
var printedBy = []struct{ file, text, tests, test string }{
	{"client/resend.go", "bulkhead client resend --supervisor ", "internal/testing/isolation",
		"TestAResendCommandThatAShellReads"},
	{"cmd/bulkhead/certs.go",
		"  bulkhead supervisor start --listen 0.0.0.0:7420 --tls-cert %s --tls-key %s --tls-client-ca %s\n",
		"internal/testing/isolation", "TestTheCommandsOfCertsInit"},
	{"cmd/bulkhead/certs.go", "  bulkhead client --supervisor %s --tls-ca %s --tls-cert %s --tls-key %s\n",
		"internal/testing/isolation", "TestTheCommandsOfCertsInit"},
	{"supervisor/report/remote/engine.go",
		"%s: there is no run %q; `bulkhead journal list %s` lists those that are there",
		"supervisor/report/remote", "TestTheCommandThatListsRuns"},
}

// noLines are strings with the name of a command that nobody is told to run.
var noLines = []sourceString{
	{"cmd/bulkhead/operate.go", "bulkhead supervisor drain"}, // why a run was drained, in its report
}

// A string of the programs that has a command line in it is help or a quotation, which
// TestShippedLinesAreTaken reads, or has a test that runs what is printed.
func TestPrintedCommandsAreRun(t *testing.T) {
	inOneLine := func(text string) string { return strings.Join(strings.Fields(text), " ") }
	var help strings.Builder
	for _, text := range helpTexts(t) {
		help.WriteString(inOneLine(text) + "\n")
	}
	run := make(map[string]bool)
	for _, l := range sourceStrings(t) {
		for _, m := range ownCommand.FindAllStringSubmatch(l.text, -1) {
			quoted := strings.HasPrefix(l.file, "cmd/bulkhead/") && strings.Contains(l.text, "`"+m[1]+"`")
			printed := slices.IndexFunc(printedBy, func(p struct{ file, text, tests, test string }) bool {
				return p.file == l.file && p.text == l.text
			})
			switch {
			case printed >= 0:
				run[l.file] = true
			case quoted, strings.Contains(help.String(), inOneLine(m[1])), slices.Contains(noLines, l):
			default:
				t.Errorf("%s: %q: nothing shows that this command runs; let a test run what is printed, and name it "+
					"in printedBy", l.file, m[1])
			}
		}
	}
	for _, p := range printedBy {
		if !run[p.file] {
			t.Errorf("%s no longer prints %q", p.file, p.text)
		}
		source := ""
		files, err := filepath.Glob(filepath.Join(repository, p.tests, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			source += string(text)
		}
		if !strings.Contains(source, "func "+p.test+"(") {
			t.Errorf("%s has no %s", p.tests, p.test)
		}
	}
}

var (
	flagInText     = regexp.MustCompile(`(?:^|[^-\w<])(--[a-z][a-z0-9-]*[a-z0-9])`)
	variableInText = regexp.MustCompile(`BULKHEAD_[A-Z][A-Z_]*[A-Z]`)
	keyInText      = regexp.MustCompile("`([a-z_]+\\.[a-z_.]*[a-z])(?:: [^`]*)?`")
	settingInText  = regexp.MustCompile("`([a-z]+(?:_[a-z]+)*): [^`]*`")
)

// foreignFlags are the flags of other programs that documents and strings name.
var foreignFlags = []string{
	// fio, in docs/benchmarks.md and README.md
	"--server", "--invalidate", "--iomem", "--loops", "--fsync", "--unlink", "--time",
	// useradd, systemctl, systemd-run
	"--system", "--home-dir", "--shell", "--now", "--kill-whom", "--unit",
	// the example client, and protoc
	"--seconds", "--python_out",
	// internal/tools/bench
	"--only", "--rounds", "--cells",
}

// foreignVariables are what tests go by, what the programs tell each other, and the name that
// is refused because the key it would be for can be set in a file only.
var foreignVariables = []string{
	"BULKHEAD_SCREENSHOTS", "BULKHEAD_TEST_ISOLATION", "BULKHEAD_FAILPOINTS", "BULKHEAD_CHILD", "BULKHEAD_HANDOVER",
	"BULKHEAD_CLIENT_SECRET", "BULKHEAD_CONSUMERS", "BULKHEAD_TEST",
	"BULKHEAD_FIRST_SUPERVISOR", "BULKHEAD_SANDBOX", "BULKHEAD_SPAWNER_APART",
	"BULKHEAD_TEST_SANDBOX_UNKNOWN",
}

// Flags, environment variables and keys that the documents and the programs name exist.
func TestNamedSettingsExist(t *testing.T) {
	flags := []string{"--help", completionFlag}
	eachCommand(rootOf(newApp(results.Of(&bytes.Buffer{}), sink.Of(&bytes.Buffer{}))),
		"bulkhead", func(c *cli.Command, _ string) {
			for _, f := range c.Flags {
				for _, name := range f.Names() {
					flags = append(flags, "--"+name)
				}
			}
		})
	var variables, keys []string
	last := []string{"compressible", "dedupable"} // of the long form of data
	for _, k := range append(config.SupervisorKeys(), config.ClientKeys()...) {
		variables = append(variables, k.Env)
		keys = append(keys, k.Name)
		last = append(last, k.Name[strings.LastIndex(k.Name, ".")+1:])
		if section, _, more := strings.Cut(k.Name, "."); more {
			last = append(last, section) // `rate: {bytes: 1MiB}`
		}
	}
	for _, k := range config.JobKeys() {
		last = append(last, k.Name[strings.LastIndex(k.Name, ".")+1:])
	}
	sections := func(key string) bool { // whether the key is one of a section of ours
		section, _, _ := strings.Cut(key, ".")
		return slices.ContainsFunc(keys, func(k string) bool { return strings.HasPrefix(k, section+".") })
	}
	check := func(where, text string, prose bool) {
		for _, m := range flagInText.FindAllStringSubmatch(text, -1) {
			if !slices.Contains(flags, m[1]) && !slices.Contains(foreignFlags, m[1]) {
				t.Errorf("%s: %s is no flag of any command", where, m[1])
			}
		}
		for _, v := range variableInText.FindAllString(text, -1) {
			if !slices.Contains(variables, v) && !slices.Contains(foreignVariables, v) {
				t.Errorf("%s: %s is no variable of any setting", where, v)
			}
		}
		if !prose {
			return
		}
		for _, m := range keyInText.FindAllStringSubmatch(text, -1) {
			if sections(m[1]) && !slices.Contains(keys, m[1]) {
				t.Errorf("%s: %s is no key", where, m[1])
			}
		}
		for _, m := range settingInText.FindAllStringSubmatch(text, -1) {
			if !slices.Contains(last, m[1]) {
				t.Errorf("%s: %s is no key", where, m[1])
			}
		}
	}
	for name, text := range documents(t) {
		if !strings.HasPrefix(name, "docs/example/") && name != "docs/benchmarks.md" { // the flags of others
			check(name, text, strings.HasSuffix(name, ".md"))
		}
	}
	for _, l := range sourceStrings(t) {
		check(l.file, l.text, false)
	}
}
