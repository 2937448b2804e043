package table

import (
	"bytes"
	"testing"

	"bulkhead/internal/human"
)

// Names that differ at their ends alone still differ when they are cut, and no further
// than the last column needs.
func TestTableCutsNamesInTheMiddle(t *testing.T) {
	if got := human.Abridge("日本語日本語日本語", 9); got != "日…日本語" {
		t.Errorf("wide characters became %q", got)
	}
	table := New("client", "figures", "cause")
	table.Names = "client"
	for _, n := range []string{"1", "2"} {
		table.Row("storage-perf-cluster-node-00"+n, "1 2 3", "said goodbye")
	}
	var b bytes.Buffer
	table.Write(&b, "", 38)
	want := "client           figures  cause\n" +
		"stora…-node-001  1 2 3    said goodbye\nstora…-node-002  1 2 3    said goodbye\n"
	if got := b.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestTableLeavesOutEmptyColumns(t *testing.T) {
	table := New("name", ">n", "empty", "path")
	table.KeepEnd = true
	table.Row("日本", "7", "", "/a/long/path/to/the/file.dat")
	table.Row("x", "1 000", "", "")
	var b bytes.Buffer
	table.Write(&b, "  ", 0)
	want := "  name      n  path\n  日本      7  …he/file.dat\n  x     1 000\n"
	if got := b.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestTableWithoutHeads(t *testing.T) {
	table := New("", "", "")
	table.Row("passed", "session", "it said all")
	table.Row("", "", "  and more")
	var b bytes.Buffer
	table.Write(&b, "", 80)
	if got, want := b.String(), "passed  session  it said all\n                   and more\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
