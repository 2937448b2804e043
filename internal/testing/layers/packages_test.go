package layers

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestArchitectureNamesEveryPackage checks that "Where things are" in docs/architecture.md has
// a line for every package, and no line for what does not exist.
func TestArchitectureNamesEveryPackage(t *testing.T) {
	text := read(t, filepath.Join(root, "docs", "architecture.md"))
	_, section, found := strings.Cut(text, "\n## Where things are\n")
	_, block, opened := strings.Cut(section, "\n```\n")
	block, _, closed := strings.Cut(block, "\n```\n")
	if !found || !opened || !closed {
		t.Fatal("docs/architecture.md has no block of packages under “Where things are”")
	}
	named := make(map[string]bool)
	for line := range strings.Lines(block) {
		name, words, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "/ ")
		if name == "" {
			continue
		}
		if strings.TrimSpace(words) == "" || named[name] {
			t.Errorf("the line %q says nothing, or is the second of its package", line)
		}
		named[name] = true
		if info, err := os.Stat(filepath.Join(root, filepath.FromSlash(name))); err != nil || !info.IsDir() {
			t.Errorf("“Where things are” names %s, which does not exist", name)
		}
	}
	for _, line := range goList(t) {
		if pkg, _, _ := strings.Cut(line, " "); !named[pkg] {
			t.Errorf("“Where things are” in docs/architecture.md lacks %s", pkg)
		}
	}
}
