package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/urfave/cli/v2"

	"bulkhead/internal/results"
	"bulkhead/supervisor/cluster/access"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/compare"
	"bulkhead/supervisor/report/render"
	"bulkhead/supervisor/report/saved"
)

func compareCommand(stdout *results.Stdout, stderr io.Writer) *cli.Command {
	var forms []render.Form
	for _, f := range compare.Formats() {
		forms = append(forms, f.Form)
	}
	return &cli.Command{
		Name:      "compare",
		Usage:     "compare two runs: what was configured differently, and what is significantly different",
		ArgsUsage: "A B",
		Description: `A and B are run directories, report.json files, or runs on an engine (nats://…). What
was configured differently comes first, then the figures side by side, each with how much
it varies from interval to interval.

Examples:
  bulkhead report compare bulkhead-state/runs/BEFORE bulkhead-state/runs/AFTER
  bulkhead report compare BEFORE AFTER --output compared.html`,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "format", DefaultText: "by the ending of --output, or else text",
				Usage: "`FORMAT`: " + oneOf(forms)},
			&cli.BoolFlag{Name: "html", Usage: "the same as --format html: one page with charts of both runs"},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"},
				Usage: "write to `FILE` instead of standard output (-)"},
		}, engineFlags()...),
		OnUsageError: onUsageError,
		Action:       func(ctx *cli.Context) error { return compareRuns(ctx, stdout, stderr, forms) },
	}
}

func compareRuns(ctx *cli.Context, stdout *results.Stdout, stderr io.Writer, forms []render.Form) error {
	if ctx.NArg() != 2 {
		return usageError{
			fmt.Errorf(
				"report compare takes two runs, as run directories or report.json files; %d were given; see "+
					"`%s --help`", ctx.NArg(), commandName(ctx))}
	}
	if format := ctx.String("format"); ctx.Bool("html") && ctx.IsSet("format") && format != "html" {
		return usageError{fmt.Errorf("--html and --format %s: use one of them", format)}
	}
	form := render.FormHTML
	if !ctx.Bool("html") {
		var err error
		if form, err = formOf(ctx, forms); err != nil {
			return err
		}
	}
	reportOf := func(i int) (*report.Report, error) {
		if at := ctx.Args().Get(i); access.IsPlace(at) {
			return rebuilt(ctx, at, stdout, stderr)
		}
		return saved.Report(ctx.Args().Get(i))
	}
	a, err := reportOf(0)
	if err != nil {
		return err
	}
	b, err := reportOf(1)
	if err != nil {
		return err
	}
	c := compare.Reports(a, b)
	format := compare.Formats()[slices.Index(forms, form)]
	err = output(ctx.String("output"), stdout, func(w io.Writer) error { return format.Write(c, a, b, w) })
	if err != nil {
		return fmt.Errorf("writing the comparison: %w", err)
	}
	return nil
}
