package main

import (
	"bytes"
	"io"
	"os/exec"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/urfave/cli/v2"

	"bulkhead/internal/results"
	"bulkhead/internal/sink"
)

// everyCommand lists every command that a help shows, each with how it is called.
func everyCommand(t *testing.T) (commands []*cli.Command, called []string) {
	t.Helper()
	app := newApp(results.Of(io.Discard), sink.Of(io.Discard))
	eachCommand(rootOf(app), app.Name, func(c *cli.Command, name string) {
		commands, called = append(commands, c), append(called, name)
	})
	if len(commands) < 15 {
		t.Fatalf("only %q are commands", called)
	}
	return commands, called
}

// shown returns what a command prints, which must exit with 0 and print nothing on stderr.
func shown(t *testing.T, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil || errs.Len() > 0 {
		t.Errorf("%q: %v: %s", args, err, errs.String())
	}
	return out.String()
}

// Every way to ask for a command's help shows the same, no line longer than 100 characters.
func TestHelp(t *testing.T) {
	commands, called := everyCommand(t)
	for i, name := range called {
		if commands[i].Name == "help" {
			continue // its own --help is that of the command that it stands in
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			words := strings.Fields(name)
			help := shown(t, append(words, "--help")...)
			for line := range strings.Lines(help) {
				if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > helpWidth {
					t.Errorf("a line of %d characters: %s", n, line)
				}
				if strings.ContainsAny(line, "\t`") && strings.Contains(line, "--") &&
					strings.HasPrefix(line, "   --") {
					t.Errorf("not plain: %q", line)
				}
			}
			for _, ask := range [][]string{
				append(words[:len(words):len(words)], "-h"),
				append(words[:len(words):len(words)], "help"),
				append([]string{words[0], "help"}, words[1:]...),
				append(append(words[:len(words)-1:len(words)-1], "help"), words[len(words)-1:]...),
			} {
				if words[len(words)-1] == words[0] && len(ask) > 2 {
					continue // "help bulkhead"
				}
				if len(words) == 1 && ask[0] == "help" {
					continue
				}
				if got := shown(t, ask...); got != help {
					t.Errorf("%q shows something else than --help:\n%s", ask, got)
				}
			}
			checkFlagsShown(t, commands[i], help)
		})
	}
}

// checkFlagsShown checks that every flag stands in a help with its default and its variable,
// and below a title if there are many.
func checkFlagsShown(t *testing.T, c *cli.Command, help string) {
	t.Helper()
	one := strings.Join(strings.Fields(help), " ")
	uncategorised := 0
	for _, f := range c.Flags {
		if v, ok := f.(cli.VisibleFlag); ok && !v.IsVisible() {
			continue
		}
		if !strings.Contains(help, "\n   "+dashed(f.Names()[0])) {
			t.Errorf("no flag %s in\n%s", f.Names()[0], help)
		}
		if f.(cli.CategorizableFlag).GetCategory() == "" {
			uncategorised++
		}
		if g, ok := f.(*cli.GenericFlag); ok && g.DefaultText != "" &&
			!strings.Contains(one, "(default: "+g.DefaultText+")") {
			t.Errorf("--%s has the default %s, which is not shown", g.Name, g.DefaultText)
		}
	}
	if uncategorised > 8 {
		t.Errorf("%d flags without a title", uncategorised)
	}
}

// Every help has examples, and every example is a command line of this program.
func TestHelpExamples(t *testing.T) {
	commands, called := everyCommand(t)
	for i, c := range commands {
		_, examples := cutExamples(c.Description)
		n := 0
		for line := range strings.Lines(examples) {
			line = strings.TrimSpace(line)
			if strings.HasPrefix(line, "EXAMPLE") {
				continue
			}
			line = strings.TrimSuffix(strings.TrimPrefix(line, "source <("), ")")
			args, err := exec.Command("sh", "-c",
				`for a in `+strings.TrimPrefix(line, "bulkhead")+`; do echo "$a"; done`).Output()
			if err != nil || !strings.HasPrefix(line, "bulkhead ") {
				t.Errorf("%s: the example %q is no command: %v", called[i], line, err)
				continue
			}
			app := newApp(results.Of(io.Discard), sink.Of(io.Discard))
			l, err := readCommandLine(rootOf(app),
				append([]string{"bulkhead"}, strings.Split(strings.TrimSpace(string(args)), "\n")...))
			if err != nil {
				t.Errorf("%s: the example %q: %v", called[i], line, err)
			} else if !strings.HasPrefix(l.name(), called[i]) && c.Name != "help" {
				t.Errorf("%s: the example %q is one of %s", called[i], line, l.name())
			} else if takes := l.command().ArgsUsage != ""; len(l.rest) > 0 && !takes {
				t.Errorf("%s: the example %q has arguments %q, and takes none", called[i], line, l.rest)
			}
			n++
		}
		if n == 0 {
			t.Errorf("%s: no example", called[i])
		}
	}
}

// What a shell asks with an unfinished line is answered with what can come next, and nothing
// is started.
func TestCompletion(t *testing.T) {
	for _, test := range []struct{ script, want string }{
		{`COMP_WORDS=(bulkhead sup)`, "supervisor"},
		{`COMP_WORDS=(bulkhead supervisor st)`, "start status"},
		{`COMP_WORDS=(bulkhead client --chunk)`, "--chunk-size"},
		{`COMP_WORDS=(bulkhead client --runtime 1s --path x --hear)`, "--heartbeat-interval --heartbeat-timeout"},
		{`COMP_WORDS=(bulkhead report com)`, "compare"},
	} {
		script := `source <(bulkhead completion bash); ` + test.script + `
COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _bulkhead bulkhead; echo "${COMPREPLY[@]}"`
		out, err := exec.Command("bash", "-c", script).CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != test.want {
			t.Errorf("%s completes to %q, %v; want %q", test.script, got, err, test.want)
		}
	}
}
