package terminal

import "strings"

// cell is one text in a table.
type cell struct {
	text  string
	style style
	right bool // stands at the right of its column
}

// gap is what lies between two columns.
const gap = "  "

// table draws rows with their columns lined up, cut to width. Columns at the right
// that are empty are left out.
func (p Painter) table(rows [][]cell, width int) []string {
	var widths []int
	for i, row := range rows {
		for c := range row {
			if c == len(widths) {
				widths = append(widths, 0)
			}
			if i > 0 || cells(row[c].text) > 0 {
				widths[c] = max(widths[c], cells(row[c].text))
			}
		}
	}
	last := 0
	for _, row := range rows[1:] {
		for c := range row {
			if row[c].text != "" {
				last = max(last, c)
			}
		}
	}
	lines := make([]string, 0, len(rows))
	for _, row := range rows {
		var line strings.Builder
		for c := range row[:min(last+1, len(row))] {
			if c > 0 {
				line.WriteString(gap)
			}
			pad := strings.Repeat(" ", widths[c]-cells(row[c].text))
			text := p.paint(row[c].style, row[c].text)
			if row[c].right {
				line.WriteString(pad + text)
			} else {
				line.WriteString(text + pad)
			}
		}
		lines = append(lines, cut(strings.TrimRight(line.String(), " "), width))
	}
	return lines
}
