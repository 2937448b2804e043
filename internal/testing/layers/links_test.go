package layers

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

// link matches a link of Markdown and takes its target.
var link = regexp.MustCompile(`\]\(([^()\s]+)\)`)

// TestLinksLead checks that every link from README.md and docs to a file or a heading of the
// repository has something at its end.
func TestLinksLead(t *testing.T) {
	for _, name := range documents(t) {
		text := read(t, name)
		for _, match := range link.FindAllStringSubmatch(text, -1) {
			target, anchor, _ := strings.Cut(match[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			to := name
			if target != "" {
				to = filepath.Join(filepath.Dir(name), filepath.FromSlash(target))
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s has a link to %s: there is no such file", filepath.Base(name), match[1])
			} else if anchor != "" && !anchors(read(t, to))[anchor] {
				t.Errorf("%s has a link to %s: there is no such heading", filepath.Base(name), match[1])
			}
		}
	}
}

// anchors returns the names by which links reach the headings of a document.
func anchors(text string) map[string]bool {
	names := make(map[string]bool)
	for line := range strings.Lines(text) {
		heading := strings.TrimLeft(line, "#")
		if heading == line {
			continue
		}
		names[strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, strings.TrimSpace(heading))] = true
	}
	return names
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
