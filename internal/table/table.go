package table

import (
	"bytes"
	"slices"
	"strings"

	"bulkhead/internal/human"
)

// Table lays out rows of cells in aligned columns. A column in which no row says
// anything is left out.
type Table struct {
	head  []string
	right []bool // column is aligned to the right
	Rows  [][]string
	// KeepEnd cuts the last column at its begin instead of its end.
	KeepEnd bool
	// Names is the column that gives way, down to minNames, when a line has no room for
	// the last one; it is cut in its middle.
	Names string
}

const (
	// minNames is the least that a column of names is cut to.
	minNames = 14
	// minLast is the least that the last column is cut to.
	minLast = 12
)

// MaxShownName is the most columns of a name in a table of the text.
const MaxShownName = 28

// New returns a table of columns with these heads; a ">" before a head aligns its column to
// the right. If all heads are empty the table has no line of them.
func New(head ...string) *Table {
	t := &Table{}
	for _, h := range head {
		name, right := strings.CutPrefix(h, ">")
		t.head = append(t.head, name)
		t.right = append(t.right, right)
	}
	return t
}

// Row adds a row; it has as many cells as the table has columns. A cell is one line.
func (t *Table) Row(cells ...string) {
	for i := range cells {
		cells[i] = strings.ReplaceAll(cells[i], "\n", "; ")
	}
	t.Rows = append(t.Rows, cells)
}

// Write prints the table, each line indented. The last column is cut so that a line takes at most
// width columns, but never below minLast of its own.
func (t *Table) Write(b *bytes.Buffer, indent string, width int) {
	columns := make([]Column, len(t.head))
	names, last := slices.Index(t.head, t.Names), 0
	for c, head := range t.head {
		columns[c] = Column{Head: head, Right: t.right[c], KeepEnd: t.KeepEnd}
		if c == names {
			columns[c].Least = minNames
		}
		if slices.ContainsFunc(t.Rows, func(row []string) bool { return row[c] != "" }) {
			last = c
		}
	}
	columns[last].Least = minLast
	for _, line := range Lines(columns, t.Rows, width-human.Columns(indent), nil) {
		b.WriteString(strings.TrimRight(indent+line, " ") + "\n")
	}
}
