package compare

import (
	"io"

	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/render"
)

// Format writes comparisons in one form.
type Format struct {
	Form render.Form
	// Write writes the comparison of the reports a and b. An error is w's.
	Write func(c *Comparison, a, b *report.Report, w io.Writer) error
}

// Formats returns all formats of a comparison.
func Formats() []Format {
	alone := func(write func(*Comparison, io.Writer) error) func(*Comparison, *report.Report, *report.Report,
		io.Writer) error {
		return func(c *Comparison, _, _ *report.Report, w io.Writer) error { return write(c, w) }
	}
	return []Format{
		{render.FormText, alone((*Comparison).Text)},
		{render.FormMarkdown, alone((*Comparison).Markdown)},
		{render.FormJSON, alone((*Comparison).JSON)},
		{render.FormHTML, func(c *Comparison, a, b *report.Report, w io.Writer) error { return c.HTML(w, a, b) }},
	}
}
