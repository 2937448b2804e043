package render

import (
	"io"
	"slices"
	"strings"

	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/judge"
)

// Form is what a file can be written in, by its name on the command line.
type Form string

// The forms: a report can be written in each, a comparison in some.
const (
	FormText     Form = "text"
	FormJSON     Form = "json"
	FormHTML     Form = "html"
	FormCSV      Form = "csv"
	FormMarkdown Form = "markdown"
	FormJUnit    Form = "junit"
)

// endings returns the endings of file names that stand for the form, without their dot; the
// first is the usual one.
func (f Form) endings() []string {
	switch f {
	case FormText:
		return []string{"txt", "text"}
	case FormHTML:
		return []string{"html", "htm"}
	case FormMarkdown:
		return []string{"md", "markdown"}
	case FormJUnit:
		return []string{"xml"}
	default:
		return []string{string(f)}
	}
}

// Ending returns the usual ending of a file in this form, as in ".json".
func (f Form) Ending() string { return "." + f.endings()[0] }

// EndsWith reports whether an ending of file names, with its dot or without, stands for the
// form.
func (f Form) EndsWith(ending string) bool {
	return slices.Contains(f.endings(), strings.ToLower(strings.TrimPrefix(ending, ".")))
}

// Format writes reports in one form.
type Format struct {
	Form Form
	// Kept says that the folder of each run keeps its report in this form.
	Kept bool
	// Write writes a report, and where the form has a place for them the results of what was
	// asserted of it. An error is w's.
	Write func(r *report.Report, w io.Writer, asserted []judge.Result) error
}

// Formats returns all formats of a report.
func Formats() []Format {
	bare := func(write func(*report.Report, io.Writer) error) func(*report.Report, io.Writer, []judge.Result) error {
		return func(r *report.Report, w io.Writer, _ []judge.Result) error { return write(r, w) }
	}
	return []Format{
		{Form: FormText, Kept: true, Write: bare(Text)},
		{Form: FormJSON, Kept: true, Write: bare((*report.Report).JSON)},
		{Form: FormHTML, Kept: true, Write: bare(HTML)},
		{Form: FormCSV, Write: bare(CSV)},
		{Form: FormMarkdown, Write: Markdown},
		{Form: FormJUnit, Write: JUnit},
	}
}

// Kept returns the formats that the folder of each run keeps its report in.
func Kept() []Format {
	return slices.DeleteFunc(Formats(), func(f Format) bool { return !f.Kept })
}

// FileName returns the name of a report in this format in the folder of its run.
func (f Format) FileName() string { return "report" + f.Form.Ending() }
