package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"bulkhead/internal/results"
	"bulkhead/internal/sink"
)

// repository is the root of the repository.
var repository = filepath.Join("..", "..")

// shippedLine is a command line that a user may copy.
type shippedLine struct {
	where, text string
}

// programs are what command lines in the documents begin with.
const programs = `(?:bin/)?(?:bulkhead|make|go|python3|systemctl|useradd|install|protoc)`

var (
	beginsCommand = regexp.MustCompile(`^` + programs + ` `)
	inlineCommand = regexp.MustCompile("`(" + programs + " [^`]+)`")
	// ownCommand is one of ours within a text: up to the end of the line, or of the quotation.
	ownCommand = regexp.MustCompile(
		"(?:^|[^-/a-z])(bulkhead (?:supervisor|client|report|journal|verify|top|version)\\b[^`\n]*)")
)

// documents returns the files of prose that are shipped, by their path from the root.
func documents(t *testing.T) map[string]string {
	t.Helper()
	texts := make(map[string]string)
	for _, pattern := range []string{"README.md", "docs/*.md", "docs/example/*.py", "configs/*.yaml",
		"configs/workloads/*.yaml", "configs/jobs/*.yaml", "configs/systemd/*"} {
		files, err := filepath.Glob(filepath.Join(repository, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			name, err := filepath.Rel(repository, f)
			if err != nil {
				t.Fatal(err)
			}
			texts[name] = string(text)
		}
	}
	return texts
}

// documentLines returns the command lines of a document: of blocks of commands, after a prompt,
// quoted in prose, in comments, and what a unit starts.
func documentLines(name, text string) []shippedLine {
	var lines []shippedLine
	block, commands := false, false // in a block; it is one of commands
	for i, line := range strings.Split(text, "\n") {
		add := func(command string) {
			lines = append(lines, shippedLine{fmt.Sprintf("%s:%d", name, i+1), strings.TrimSpace(command)})
		}
		shown, prompt := strings.CutPrefix(line, "$ ")
		unit, started := strings.CutPrefix(line, "ExecStart=/usr/local/bin/")
		switch {
		case !strings.HasSuffix(name, ".md"):
			if started {
				add(unit)
			} else if m := ownCommand.FindStringSubmatch(line); m != nil {
				add(m[1])
			}
		case strings.HasPrefix(line, "```"):
			block, commands = !block, false
		case block && prompt:
			add(shown)
		case block && beginsCommand.MatchString(line) && !strings.Contains(line, ": "):
			commands = true
			add(line)
		case block && commands && line != "" && !strings.HasPrefix(line, "#"):
			add(line)
		case !block:
			for _, m := range inlineCommand.FindAllStringSubmatch(line, -1) {
				add(m[1])
			}
		}
	}
	return lines
}

// helpTexts returns what every command prints with --help, by the command's name.
func helpTexts(t *testing.T) map[string]string {
	t.Helper()
	texts := make(map[string]string)
	eachCommand(rootOf(newApp(results.Of(&bytes.Buffer{}), sink.Of(&bytes.Buffer{}))),
		"bulkhead", func(_ *cli.Command, name string) {
			var out, errs bytes.Buffer
			if code := run(t.Context(), append(strings.Fields(name), "--help"), &out, &errs); code != exitOK ||
				out.Len() == 0 {
				t.Errorf("%s --help: exit status %d\n%s", name, code, errs.String())
			}
			texts[name] = out.String()
		})
	return texts
}

// helpLines returns the command lines in the help of every command.
func helpLines(t *testing.T) []shippedLine {
	t.Helper()
	var lines []shippedLine
	for name, text := range helpTexts(t) {
		for line := range strings.Lines(text) {
			line = strings.TrimSpace(line)
			// not what it looks like in general
			if m := ownCommand.FindStringSubmatch(line); m != nil && !strings.Contains(m[1], "[") &&
				!strings.Contains(m[1], " - ") {
				whole := m[1]
				if example, ok := strings.CutPrefix(line, "Example: "); ok {
					whole = example // what is before it, too
				}
				lines = append(lines, shippedLine{"the help of " + name, strings.TrimSpace(whole)})
			}
		}
	}
	return lines
}

// sourceString is one in the source.
type sourceString struct {
	file, text string
}

// sourceStrings returns the strings in the source of the programs, from which comes whatever they
// print: none of tests, generated code and tools.
func sourceStrings(t *testing.T) []sourceString {
	t.Helper()
	var all []sourceString
	err := filepath.WalkDir(repository, func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(repository, path)
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "testdata" || name == "bin" || name == "proto"),
			d.IsDir() && (name == "internal/testing" || name == "internal/tools"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if _, ok := n.(*ast.ImportSpec); ok {
				return false
			}
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if text, err := strconv.Unquote(lit.Value); err == nil {
					all = append(all, sourceString{name, text})
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
