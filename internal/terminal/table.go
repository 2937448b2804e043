package terminal

import (
	"slices"
	"strings"
)

// column is one column of a table.
type column struct {
	head  string
	right bool // its texts stand at the right
	// least is how many cells its texts may be cut to where there is no room; 0 for not
	// at all. Those of the last column are cut at their ends, others in their middle.
	least int
	// rank says which column is left out first where there is no room: that of the
	// highest rank; one of rank 0 stays.
	rank int
}

// cell is one text in a table.
type cell struct {
	text  string
	style style
}

// gap is what lies between two columns.
const gap = "  "

// table draws columns and rows lined up, the head first, each in at most width cells.
// Columns at the right that are empty are left out; where there is no room for the
// others, those that can be cut are, and then some are left out, by rank.
func (p Painter) table(columns []column, rows [][]cell, width int) []string {
	shown := make([]int, len(columns)) // the columns that are drawn
	for c := range columns {
		shown[c] = c
	}
	for len(shown) > 1 && empty(rows, shown[len(shown)-1]) {
		shown = shown[:len(shown)-1]
	}
	widths := fitted(columns, rows, &shown, width)
	heads := make([]cell, len(columns))
	for c := range columns {
		heads[c].text = columns[c].head
	}
	lines := make([]string, 0, len(rows)+1)
	for _, row := range append([][]cell{heads}, rows...) {
		var line strings.Builder
		for i, c := range shown {
			if i > 0 {
				line.WriteString(gap)
			}
			text := row[c].text
			if i == len(shown)-1 {
				text = cut(text, widths[c])
			} else {
				text = abridge(text, widths[c])
			}
			pad := strings.Repeat(" ", widths[c]-cells(text))
			text = p.paint(row[c].style, text)
			if columns[c].right {
				line.WriteString(pad + text)
			} else {
				line.WriteString(text + pad)
			}
		}
		lines = append(lines, cut(strings.TrimRight(line.String(), " "), width))
	}
	return lines
}

// empty reports whether no row says anything in a column.
func empty(rows [][]cell, c int) bool {
	return !slices.ContainsFunc(rows, func(row []cell) bool { return row[c].text != "" })
}

// fitted returns how wide each column is drawn, and leaves those out of shown for which
// there is no room. They may still be too wide together, when none can give way.
func fitted(columns []column, rows [][]cell, shown *[]int, width int) []int {
	widths := make([]int, len(columns))
	for {
		for c := range columns {
			widths[c] = natural(columns, rows, c)
		}
		over := -width - len(gap)
		for _, c := range *shown {
			over += widths[c] + len(gap)
		}
		for _, c := range slices.Backward(*shown) {
			if least := columns[c].least; over > 0 && least > 0 && widths[c] > least {
				less := min(over, widths[c]-least)
				widths[c] -= less
				over -= less
			}
		}
		if over <= 0 {
			return widths
		}
		out := slices.MaxFunc(*shown, func(a, b int) int { return columns[a].rank - columns[b].rank })
		if columns[out].rank == 0 {
			return widths
		}
		*shown = slices.DeleteFunc(slices.Clone(*shown), func(c int) bool { return c == out })
	}
}

// natural is how wide the widest text of a column is.
func natural(columns []column, rows [][]cell, c int) int {
	width := cells(columns[c].head)
	for _, row := range rows {
		width = max(width, cells(row[c].text))
	}
	return width
}
