package table

import (
	"slices"
	"strings"

	"bulkhead/internal/human"
)

// Column is one column of a layout.
type Column struct {
	Head  string
	Right bool // its texts stand at the right
	// Least is how many columns of the terminal its texts may be cut to where there is no room; 0
	// for not at all. Those of the last column are cut at their ends, or at their beginnings with
	// KeepEnd, and others in their middle.
	Least   int
	KeepEnd bool
	// Rank says which column is left out first where there is no room: that of the highest rank;
	// one of rank 0 stays.
	Rank int
}

// gap is what lies between two columns.
const gap = "  "

// Lines lines up rows of texts under the heads of their columns, unless these are all empty, in at
// most width columns of the terminal. A column in which no row says anything is left out; where
// there is no room for the others, those that can be cut are, from the right, and then some are left
// out, by rank. Lines are longer than width if that is not enough. paint changes how a text looks
// that is shown, and not how wide it is; it may be nil.
func Lines(columns []Column, rows [][]string, width int, paint func(row, column int, text string) string) []string {
	shown := make([]int, 0, len(columns)) // the columns that are drawn
	for c := range columns {
		if slices.ContainsFunc(rows, func(row []string) bool { return row[c] != "" }) {
			shown = append(shown, c)
		}
	}
	shown, widths := fitted(columns, rows, shown, width)
	lines := make([]string, 0, len(rows)+1)
	line := func(row int, texts []string) {
		var b strings.Builder
		for i, c := range shown {
			if i > 0 {
				b.WriteString(gap)
			}
			text := cut(texts[c], widths[c], i == len(shown)-1, columns[c].KeepEnd)
			pad := strings.Repeat(" ", widths[c]-human.Columns(text))
			if row >= 0 && paint != nil {
				text = paint(row, c, text)
			}
			if columns[c].Right {
				b.WriteString(pad + text)
			} else {
				b.WriteString(text + pad)
			}
		}
		lines = append(lines, strings.TrimRight(b.String(), " "))
	}
	heads := make([]string, len(columns))
	for c := range columns {
		heads[c] = columns[c].Head
	}
	if strings.Join(heads, "") != "" {
		line(-1, heads)
	}
	for i, row := range rows {
		line(i, row)
	}
	return lines
}

// cut cuts a text to at most width columns of the terminal.
func cut(text string, width int, last, keepEnd bool) string {
	switch {
	case !last:
		return human.Abridge(text, width)
	case keepEnd:
		return human.LastOf(text, width)
	default:
		return human.Shorten(text, width)
	}
}

// fitted returns which of the columns there is room for, and how wide each is drawn. They may still
// be too wide together, when none can give way.
func fitted(columns []Column, rows [][]string, shown []int, width int) ([]int, []int) {
	widths := make([]int, len(columns))
	for {
		over := -width - len(gap)
		for _, c := range shown {
			widths[c] = natural(columns, rows, c)
			over += widths[c] + len(gap)
		}
		for _, c := range slices.Backward(shown) {
			if least := columns[c].Least; over > 0 && least > 0 && widths[c] > least {
				less := min(over, widths[c]-least)
				widths[c] -= less
				over -= less
			}
		}
		if over <= 0 || len(shown) == 0 {
			return shown, widths
		}
		out := slices.MaxFunc(shown, func(a, b int) int { return columns[a].Rank - columns[b].Rank })
		if columns[out].Rank == 0 {
			return shown, widths
		}
		shown = slices.DeleteFunc(slices.Clone(shown), func(c int) bool { return c == out })
	}
}

// natural returns how wide the widest text of a column is.
func natural(columns []Column, rows [][]string, c int) int {
	width := human.Columns(columns[c].Head)
	for _, row := range rows {
		width = max(width, human.Columns(row[c]))
	}
	return width
}
