package layers

import (
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

const proseColumns = 100

// TestProseFits holds the prose of README.md and docs to 100 columns. Tables, blocks of code,
// headings and images are free, and so is a line that has no place to break.
func TestProseFits(t *testing.T) {
	for _, name := range documents(t) {
		number, block := 0, false
		for line := range strings.Lines(read(t, name)) {
			number++
			line = strings.TrimSuffix(line, "\n")
			start := strings.TrimSpace(line)
			switch {
			case strings.HasPrefix(start, "```"):
				block = !block
			case block, strings.HasPrefix(start, "|"), strings.HasPrefix(start, "#"), strings.HasPrefix(start, "!["):
			case utf8.RuneCountInString(line) > proseColumns && breakable(start):
				t.Errorf("%s:%d has %d columns; at most %d", filepath.Base(name), number,
					utf8.RuneCountInString(line), proseColumns)
			}
		}
	}
}

// documents returns the paths of README.md and of what is in docs.
func documents(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 10 {
		t.Fatalf("%d documents: these are not all", len(files))
	}
	return append(files, filepath.Join(root, "README.md"))
}

// breakable reports whether a line of prose has a blank where it could end: one that is
// behind the marker of a list, and not in quoted code, which stays on its line.
func breakable(line string) bool {
	if marker, item, found := strings.Cut(line, " "); found && (marker == "-" || strings.HasSuffix(marker, ".")) {
		line = item
	}
	for i, part := range strings.Split(line, "`") {
		if i%2 == 0 && strings.Contains(part, " ") {
			return true
		}
	}
	return false
}
