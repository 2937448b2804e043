package terminal

import (
	"bulkhead/internal/human"
	"bulkhead/internal/table"
)

// cell is one text in a table.
type cell struct {
	text  string
	style style
}

// gap is what lies between two parts of a line.
const gap = "  "

// table draws columns and rows lined up, the head first, each in at most width cells.
func (p Painter) table(columns []table.Column, rows [][]cell, width int) []string {
	texts := make([][]string, len(rows))
	for i, row := range rows {
		for _, c := range row {
			texts[i] = append(texts[i], c.text)
		}
	}
	lines := table.Lines(columns, texts, width, func(row, column int, text string) string {
		return p.paint(rows[row][column].style, text)
	})
	for i := range lines {
		lines[i] = human.Shorten(lines[i], width)
	}
	return lines
}
