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

// minNames is the least that a column of names is cut to.
const minNames = 14

// MaxShownName is the most columns of a name in a table of the text.
const MaxShownName = 28

// New takes the head of each column; a ">" before it aligns to the right.
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

// Write prints the table, each line indented. The last column is cut so that a
// line takes at most width columns, but never below minLast of its own.
func (t *Table) Write(b *bytes.Buffer, indent string, width int) {
	const gap, minLast = "  ", 12
	widths := make([]int, len(t.head))
	for c := range t.head {
		for _, row := range t.Rows {
			if row[c] != "" {
				widths[c] = max(widths[c], human.Columns(t.head[c]), human.Columns(row[c]))
			}
		}
	}
	last := len(widths) - 1
	for last > 0 && widths[last] == 0 {
		last--
	}
	before := human.Columns(indent)
	for _, w := range widths[:last] {
		if w > 0 {
			before += w + len(gap)
		}
	}
	names := slices.Index(t.head, t.Names)
	least := min(minLast, widths[last])
	if names >= 0 && names < last && width-before < least {
		cut := min(least-(width-before), max(widths[names]-minNames, 0))
		widths[names] -= cut
		before -= cut
	}
	room := max(width-before, least)
	for _, row := range append([][]string{t.head}, t.Rows...) {
		var line strings.Builder
		line.WriteString(indent)
		for c, cell := range row[:last+1] {
			if widths[c] == 0 {
				continue
			}
			if c == last {
				if t.KeepEnd {
					cell = human.LastOf(cell, room)
				}
				line.WriteString(align(human.Shorten(cell, room), min(widths[c], room), t.right[c]))
				continue
			}
			if c == names {
				cell = human.Abridge(cell, widths[c])
			}
			line.WriteString(align(human.Shorten(cell, widths[c]), widths[c], t.right[c]) + gap)
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

func align(cell string, width int, right bool) string {
	pad := strings.Repeat(" ", max(width-human.Columns(cell), 0))
	if right {
		return pad + cell
	}
	return cell + pad
}
