package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWorkloadsDocument loads the first example of docs/workloads.md, which is to be of
// ten lines at most, and looks for every key of a consumer in its tables.
func TestWorkloadsDocument(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "docs", "workloads.md"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	_, rest, _ := strings.Cut(text, "```yaml\n")
	example, _, found := strings.Cut(rest, "```")
	if !found || strings.Count(example, "\n") > 10 {
		t.Fatalf("the example is not one of ten lines:\n%s", example)
	}
	c, err := LoadClient(write(t, example), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Overrides) != 2 || !c.Consumers()[0].Recycle || c.Consumers()[1].Recycle {
		t.Errorf("consumers = %+v", c.Consumers())
	}
	for _, f := range new(Consumer).fields() {
		if !strings.Contains(text, "| `"+f.Name+"`") && !strings.Contains(text, ", `"+f.Name+"` |") {
			t.Errorf("no row for %s", f.Name)
		}
	}
	for _, f := range new(Stage).fields() {
		if !strings.Contains(text, "| `"+f.Name+"` |") {
			t.Errorf("no row for %s of a stage", f.Name)
		}
	}
	for _, key := range []string{"runtime", "total_size", "stop_when", "ramp", "warmup", "stages"} {
		if !strings.Contains(text, "| `"+key) {
			t.Errorf("no row for %s", key)
		}
	}
}
