package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/urfave/cli/v2"

	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/compare"
)

// compareFormat is a form a comparison can be written in.
type compareFormat struct {
	name  string
	write func(c *compare.Comparison, a, b *report.Report, w io.Writer) error
}

func compareFormats() []compareFormat {
	alone := func(write func(*compare.Comparison, io.Writer) error) func(*compare.Comparison, *report.Report, *report.Report, io.Writer) error {
		return func(c *compare.Comparison, _, _ *report.Report, w io.Writer) error { return write(c, w) }
	}
	return []compareFormat{
		{"text", alone((*compare.Comparison).Text)},
		{"markdown", alone((*compare.Comparison).Markdown)},
		{"json", alone((*compare.Comparison).JSON)},
		{"html", func(c *compare.Comparison, a, b *report.Report, w io.Writer) error { return c.HTML(w, a, b) }},
	}
}

func compareCommand(stdout io.Writer) *cli.Command {
	var names []string
	for _, f := range compareFormats() {
		names = append(names, f.name)
	}
	return &cli.Command{
		Name:      "compare",
		Usage:     "compare two runs: what was configured differently, and what is significantly different",
		ArgsUsage: "A B",
		Description: `A and B are run directories, or report.json files. What was configured differently comes
first, then the figures side by side with how much they vary from interval to interval.

Examples:
  bulkhead report compare bulkhead-state/runs/BEFORE bulkhead-state/runs/AFTER
  bulkhead report compare BEFORE AFTER --output compared.html`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "format", DefaultText: "what --output ends with, or else text", Usage: "`FORMAT`: " + oneOf(names)},
			&cli.BoolFlag{Name: "html", Usage: "the same as --format html: one page with charts of both runs"},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write to `FILE` instead of standard output, which is -"},
		},
		OnUsageError: onUsageError,
		Action:       func(ctx *cli.Context) error { return compareRuns(ctx, stdout, names) },
	}
}

func compareRuns(ctx *cli.Context, stdout io.Writer, names []string) error {
	if ctx.NArg() != 2 {
		return usageError{fmt.Errorf("report compare takes two runs, as run directories or report.json files; %d were given; see `%s --help`", ctx.NArg(), commandName(ctx))}
	}
	if format := ctx.String("format"); ctx.Bool("html") && ctx.IsSet("format") && format != "html" {
		return usageError{fmt.Errorf("--html and --format %s: use one of them", format)}
	}
	format := "html"
	if !ctx.Bool("html") {
		var err error
		if format, err = formatOf(ctx, names); err != nil {
			return err
		}
	}
	i := slices.Index(names, format)
	a, err := loadReport(ctx.Args().Get(0))
	if err != nil {
		return err
	}
	b, err := loadReport(ctx.Args().Get(1))
	if err != nil {
		return err
	}
	c := compare.Reports(a, b)
	err = output(ctx.String("output"), stdout, func(w io.Writer) error { return compareFormats()[i].write(c, a, b, w) })
	if err != nil {
		return fmt.Errorf("writing the comparison: %w", err)
	}
	return nil
}

// loadReport returns the report in a run directory, from its journal or else its
// report.json, or that in a file.
func loadReport(path string) (*report.Report, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, usageError{fmt.Errorf("%s is neither a run directory nor a report.json: %s", path, notARun(path))}
	}
	if info.IsDir() {
		if _, err := os.Stat(filepath.Join(path, "journal")); err == nil {
			return reportOf(path)
		}
		if _, err := os.Stat(filepath.Join(path, "report.json")); errors.Is(err, fs.ErrNotExist) {
			return nil, usageError{fmt.Errorf("%s is neither a run directory nor a report.json: %s", path, notARun(path))}
		}
		path = filepath.Join(path, "report.json")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, usageError{fmt.Errorf("%s is neither a run directory nor a report.json: %w", path, pathless(err))}
	}
	defer f.Close()
	r, err := report.ReadJSON(f)
	if err != nil {
		return nil, usageError{fmt.Errorf("%s: %w", path, err)}
	}
	return r, nil
}

// pathless is an error about a path without the path.
func pathless(err error) error {
	var about *fs.PathError
	if errors.As(err, &about) {
		return about.Err
	}
	return err
}
