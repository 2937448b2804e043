package layers

import (
	"bytes"
	"go/scanner"
	"go/token"
	"os"
	"os/exec"
	"strings"
	"testing"
	"unicode/utf8"
)

const (
	maxColumns = 120
	tabColumns = 4
)

// TestLinesFit holds every line of Go to 120 columns, a tab being four. Generated code and
// the raw strings of tests, which are what a program or a browser reads or says, are free.
func TestLinesFit(t *testing.T) {
	list := exec.Command("git", "ls-files", "-z", "*.go")
	list.Dir = "../../.."
	out, err := list.Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	names := strings.FieldsFunc(string(out), func(r rune) bool { return r == 0 })
	if len(names) < 100 {
		t.Fatalf("%d files of Go: this is not the whole tree", len(names))
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".pb.go") {
			continue
		}
		source, err := os.ReadFile("../../../" + name)
		if err != nil {
			t.Fatal(err)
		}
		var free map[int]bool
		if strings.HasSuffix(name, "_test.go") {
			free = rawLines(source)
		}
		number := 0
		for line := range bytes.Lines(source) {
			number++
			line = bytes.TrimSuffix(line, []byte("\n"))
			columns := utf8.RuneCount(line) + (tabColumns-1)*bytes.Count(line, []byte("\t"))
			if columns > maxColumns && !free[number] {
				t.Errorf("%s:%d has %d columns; at most %d", name, number, columns, maxColumns)
			}
		}
	}
}

// rawLines returns the numbers of the lines that hold a raw string or a part of one.
func rawLines(source []byte) map[int]bool {
	lines := map[int]bool{}
	files := token.NewFileSet()
	file := files.AddFile("", files.Base(), len(source))
	var s scanner.Scanner
	s.Init(file, source, nil, 0)
	for {
		at, kind, text := s.Scan()
		if kind == token.EOF {
			return lines
		}
		if kind == token.STRING && strings.HasPrefix(text, "`") {
			first := file.Line(at)
			for n := range strings.Count(text, "\n") + 1 {
				lines[first+n] = true
			}
		}
	}
}
