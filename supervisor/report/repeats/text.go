package repeats

import (
	"fmt"
	"io"
	"math"
	"os"
	"strings"

	"bulkhead/internal/human"
	"bulkhead/internal/table"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/render"
)

// File is a form in which a job's folder keeps the summary of its runs.
type File struct {
	Name  string
	Write func(*Summary, io.Writer) error
}

// The files that a job's folder keeps.
const (
	TextFile = "summary.txt"
	JSONFile = "summary.json"
)

// Kept returns the forms that a job's folder keeps.
func Kept() []File {
	return []File{{TextFile, (*Summary).WriteText}, {JSONFile, (*Summary).WriteJSON}}
}

// Writer returns what writes s into a file.
func (f File) Writer(s *Summary) func(*os.File) error {
	return func(to *os.File) error { return f.Write(s, to) }
}

// WriteJSON writes s as JSON. An error is w's.
func (s *Summary) WriteJSON(w io.Writer) error { return report.WriteJSON(w, s) }

// WriteText writes s for people. An error is w's.
func (s *Summary) WriteText(w io.Writer) error {
	p := &render.Page{Report: new(report.Report)}
	head := "RUNS TOGETHER"
	if s.Job != "" {
		head = "JOB " + s.Job
	}
	p.Line("%s: %s", head, s.Text)
	p.Heading("RUNS")
	t := table.New(">", "run", "started", "verdict", "unlike the others in", "why")
	for _, run := range s.Runs {
		started, word := human.None, "no report"
		if run.StartedAt != 0 {
			started = run.StartedAt.UTC().Format("2006-01-02 15:04:05")
		}
		if run.Word != "" {
			word = strings.ToLower(string(run.Word))
		}
		t.Row(fmt.Sprint(run.Number), human.OrDash(run.RunID), started, word, strings.Join(run.Outlier, ", "),
			human.Shorten(run.Reason, 60))
	}
	t.Write(&p.Out, render.Indent, render.PageWidth)
	p.Heading("FIGURES of %d of the runs", s.Compared)
	t = table.New("figure", ">median", ">least", ">run", ">most", ">run", ">variation", "unlike the others")
	for _, f := range s.Figures {
		t.Row(f.cells()...)
	}
	t.Write(&p.Out, render.Indent, render.PageWidth)
	for _, line := range human.Wrap("variation is the standard deviation over the mean; "+s.Test,
		render.PageWidth-len(render.Indent)) {
		p.Line("%s%s", render.Indent, line)
	}
	if len(s.Notes) > 0 {
		p.Heading("NOTES")
		for _, note := range s.Notes {
			p.Line("%s- %s", render.Indent, note)
		}
	}
	if _, err := w.Write(p.Out.Bytes()); err != nil {
		return fmt.Errorf("writing the summary: %w", err)
	}
	return nil
}

// cells returns a figure as a row.
func (f *Figure) cells() []string {
	if f.Runs == 0 {
		return []string{f.Name, human.None, human.None, "", human.None, "", human.None, ""}
	}
	variation := human.None
	if f.VariationPercent != nil {
		variation = fmt.Sprintf("%.1f %%", *f.VariationPercent)
	}
	var unlike []string
	for _, n := range f.Outliers {
		unlike = append(unlike, fmt.Sprintf("run %d", n))
	}
	return []string{f.Name, f.print(f.Median), f.print(f.Least), fmt.Sprint(f.LeastRun), f.print(f.Most),
		fmt.Sprint(f.MostRun), variation, strings.Join(unlike, ", ")}
}

func (f *Figure) print(x float64) string {
	switch f.Unit {
	case perSecond:
		return human.Megabytes(uint64(math.Round(x))) + " MB/s"
	case nano:
		return human.Duration(int64(math.Round(x)))
	default:
		return human.ExactNumber(x)
	}
}
