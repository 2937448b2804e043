package sandbox

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// docs/security.md has the table of layers.
func TestDocsShowTheLayers(t *testing.T) {
	text, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\n<!-- layers -->\n")
	shown, _, _ := strings.Cut(rest, "\n<!-- end of layers -->\n")
	want := "\n| layer | a handler has | by | only if the supervisor is root |\n|---|---|---|---|\n"
	for _, w := range Walls() {
		root := ""
		if w.ForRoot {
			root = "yes"
		}
		want += fmt.Sprintf("| %s | %s | %s | %s |\n", w.Name, w.Does, w.How, root)
	}
	if shown != want {
		t.Errorf("docs/security.md shows\n%s\nwant\n%s", shown, want)
	}
}
