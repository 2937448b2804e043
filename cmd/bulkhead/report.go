package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"bulkhead/internal/wholefile"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/fold"
	"bulkhead/supervisor/report/judge"
	"bulkhead/supervisor/report/render"
)

// reportFormat is a form a report can be written in.
type reportFormat struct {
	name  string
	write func(*report.Report, []judge.Result, io.Writer) error
}

func reportFormats() []reportFormat {
	plain := func(write func(*report.Report, io.Writer) error) func(*report.Report, []judge.Result, io.Writer) error {
		return func(r *report.Report, _ []judge.Result, w io.Writer) error { return write(r, w) }
	}
	asserted := func(write func(*report.Report, io.Writer, []judge.Result) error) func(*report.Report, []judge.Result, io.Writer) error {
		return func(r *report.Report, results []judge.Result, w io.Writer) error { return write(r, w, results) }
	}
	return []reportFormat{
		{"text", plain(render.Text)},
		{"json", plain((*report.Report).JSON)},
		{"html", plain(render.HTML)},
		{"csv", plain(render.CSV)},
		{"markdown", asserted(render.Markdown)},
		{"junit", asserted(render.JUnit)},
	}
}

func reportCommand(stdout, stderr io.Writer) *cli.Command {
	return &cli.Command{
		Name:      "report",
		Usage:     "rebuild the report of a run from its journal, or compare two runs",
		ArgsUsage: "RUN_DIR",
		Description: `RUN_DIR is STATE_DIR/runs/RUN-ID; runs/latest is the newest. Nothing but the journal
in it is read, so this works also for a run whose supervisor was killed.

Without --format, what --output ends with says the format: ` + strings.Join(endingsOf(formatNames(reportFormats())), ", ") + `.

--assert may be given several times; where one does not hold, the exit status is 3 and
standard error says which. Where all hold it is that of the verdict: 0 complete, 3 partial,
4 interrupted. It is NAME OPERATOR VALUE, or complete or runtime alone: NAME is one of
` + strings.Join(judge.AssertableNames(), ", ") + `;
OPERATOR is one of < <= > >= == !=.

Examples:
  bulkhead report bulkhead-state/runs/latest --output report.json
  bulkhead report runs/latest --format junit --assert 'p99 < 50ms' --assert 'lost == 0'
  bulkhead report compare runs/before runs/after`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "format", DefaultText: "what --output ends with, or else text", Usage: "`FORMAT`: " + oneOf(formatNames(reportFormats()))},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write to `FILE` instead of standard output, which is -"},
			&cli.GenericFlag{Name: "assert", Value: new(texts), Usage: "exit with 3 unless `EXPR` holds, such as 'p99 < 50ms'"},
		},
		OnUsageError: onUsageError,
		Action:       func(ctx *cli.Context) error { return rebuildReport(ctx, stdout, stderr) },
		Subcommands:  []*cli.Command{compareCommand(stdout)},
	}
}

// texts is a flag that may be given several times, with commas in it.
type texts []string

func (t *texts) Set(text string) error {
	*t = append(*t, text)
	return nil
}

func (t *texts) String() string { return "" }

func formatNames(formats []reportFormat) []string {
	names := make([]string, 0, len(formats))
	for _, f := range formats {
		names = append(names, f.name)
	}
	return names
}

// oneOf says "a, b or c".
func oneOf(names []string) string {
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

func rebuildReport(ctx *cli.Context, stdout, stderr io.Writer) error {
	if ctx.NArg() != 1 {
		meant := ""
		if ctx.NArg() > 1 {
			meant = commandMeant(ctx.Command, commandName(ctx), &cli.Command{}, ctx.Args().First())
		}
		return usageError{fmt.Errorf("report takes one run directory, such as bulkhead-state/runs/latest; %d were given; %ssee `%s --help`", ctx.NArg(), meant, commandName(ctx))}
	}
	formats := reportFormats()
	format, err := formatOf(ctx, formatNames(formats))
	if err != nil {
		return err
	}
	i := slices.Index(formatNames(formats), format)
	var assertions []judge.Assertion
	for _, text := range *ctx.Generic("assert").(*texts) {
		a, err := judge.ParseAssertion(text)
		if err != nil {
			return usageError{fmt.Errorf("--assert: %w", err)}
		}
		assertions = append(assertions, a)
	}
	r, err := reportOf(ctx.Args().First())
	if err != nil {
		return err
	}
	var results []judge.Result
	for _, a := range assertions {
		results = append(results, judge.Check(r, a))
	}
	if err := output(ctx.String("output"), stdout, func(w io.Writer) error { return formats[i].write(r, results, w) }); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	if len(results) == 0 {
		return nil
	}
	if err := broken(results, stderr); err != nil {
		return err
	}
	// What a load kept that was cut short says little of one that was not.
	if !r.Complete() {
		fmt.Fprintf(stderr, "bulkhead: what was asserted holds, but the run is %s\n", r.Verdict.Word)
	}
	return verdictError(r.Verdict.Word)
}

// broken says on stderr which assertions do not hold, and returns errPartial if there is one.
func broken(results []judge.Result, stderr io.Writer) error {
	var err error
	for _, result := range results {
		if !result.Holds {
			fmt.Fprintln(stderr, "bulkhead:", result)
			err = errPartial
		}
	}
	return err
}

// reportOf builds the report of the run in dir from its journal.
func reportOf(dir string) (*report.Report, error) {
	journalDir := filepath.Join(dir, "journal")
	if _, err := os.Stat(journalDir); errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, usageError{fmt.Errorf("%s is not a run directory: %s", dir, notARun(dir))}
	}
	return fold.FromJournal(journalDir)
}

// output calls write with a file, or with stdout if path is "".
func output(path string, stdout io.Writer, write func(io.Writer) error) error {
	if path == "" || path == "-" {
		return write(stdout)
	}
	return wholefile.Write(path, write)
}
