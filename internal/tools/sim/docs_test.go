package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	update = flag.Bool("update", false, "write the tables of docs/scale.md anew that are simulated")
	all    = flag.Bool("all", false, "simulate those of docs/scale.md, too, that take minutes")
)

// shown is a table of docs/scale.md: the arguments it came from, and itself.
var shown = regexp.MustCompile(`(?s)<!-- sim ([^>]*?)(, long)? -->\n(.*?)<!-- end -->`)

// TestDocsShowWhatIsSimulated checks that the tables of docs/scale.md are what the program prints: the
// short ones always, all with -all.
func TestDocsShowWhatIsSimulated(t *testing.T) {
	name := filepath.Join("..", "..", "..", "docs", "scale.md")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	tables, short := 0, 0
	now := shown.ReplaceAllStringFunc(string(text), func(found string) string {
		m := shown.FindStringSubmatch(found)
		tables++
		if m[2] != "" && !*all {
			return found
		}
		if m[2] == "" {
			short++
		}
		var out, said bytes.Buffer
		if code := run(strings.Fields(m[1]), &out, &said); code != 0 {
			t.Errorf("sim %s: status %d: %s", m[1], code, said.String())
			return found
		}
		if out.String() != m[3] && !*update {
			t.Errorf("docs/scale.md has of sim %s\n%sand the program prints\n%sgo test ./internal/tools/sim -update",
				m[1], m[3], out.String())
		}
		return "<!-- sim " + m[1] + m[2] + " -->\n" + out.String() + "<!-- end -->"
	})
	if tables < 5 || short < 3 {
		t.Errorf("docs/scale.md has %d tables, %d of them short; these are not all", tables, short)
	}
	if *update && !t.Failed() {
		if err := os.WriteFile(name, []byte(now), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestWhatIsWrongIsSaid checks what the program refuses.
func TestWhatIsWrongIsSaid(t *testing.T) {
	for _, tt := range []struct {
		args string
		code int
		says string
	}{
		{"-fault fire", 64, "-fault: \"fire\" is not all, nothing, "},
		{"-sweep 10,x", 64, "-sweep: \"x\" is not a number of clients"},
		{"-clients many", 64, "-clients"},
		{"rest", 64, "-help"},
		{"-clients 0 -fault nothing", 1, "one of each is the least"},
		{"-supervisors 1 -fault rack", 1, "who loses a supervisor needs another"},
		{"-nodes 2 -fault nothing", 1, "an engine has 3 to 64 nodes"},
	} {
		var out, said bytes.Buffer
		code := run(strings.Fields(tt.args), &out, &said)
		if code != tt.code || !strings.Contains(said.String(), tt.says) {
			t.Errorf("sim %s: status %d, %q; want %d, and %q", tt.args, code, said.String(), tt.code, tt.says)
		}
		if out.Len() > 0 {
			t.Errorf("sim %s prints %q", tt.args, out.String())
		}
	}
}
