package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"bulkhead/internal/assertion"
	"bulkhead/internal/results"
	"bulkhead/supervisor/cluster/access"
	"bulkhead/supervisor/report/judge"
	"bulkhead/supervisor/report/render"
	"bulkhead/supervisor/report/repeats"
	"bulkhead/supervisor/report/saved"
)

func reportCommand(stdout *results.Stdout, stderr io.Writer) *cli.Command {
	var forms []render.Form
	for _, f := range render.Formats() {
		forms = append(forms, f.Form)
	}
	return &cli.Command{
		Name:      "report",
		Usage:     "rebuild the report of a run from its journal, sum up runs, or compare two",
		ArgsUsage: "RUN_DIR|nats://HOST:PORT,…/RUN-ID",
		Description: `RUN_DIR is STATE_DIR/runs/RUN-ID; runs/latest is the newest. Only the journal in it is
read, so this also works for a run whose supervisor was killed. nats://… is a run on an
engine, read from the first node that has all of it; docs/cluster.md has more.

With STATE_DIR/jobs/JOB-ID, or several RUN_DIR, it sums up the runs of the job, or those: the
median, the least and the most of each figure, how far it varies, and which run is unlike
the others. Its formats are text and json.

Without --format, the ending of --output selects the format: ` +
			strings.Join(endingsOf(forms), ", ") + `.

--assert may be given several times. If one does not hold, the exit status is 3 and
standard error says which; if all hold, it is that of the verdict: 0 complete, 3 partial,
4 interrupted. EXPR is NAME OPERATOR VALUE, or complete or runtime alone; NAME is one of
` + strings.Join(assertion.Names(), ", ") + `;
OPERATOR is one of < <= > >= == !=.

Examples:
  bulkhead report bulkhead-state/runs/latest --output report.json
  bulkhead report runs/latest --format junit --assert 'p99 < 50ms' --assert 'lost == 0'
  bulkhead report bulkhead-state/jobs/latest
  bulkhead report nats://n1:4222,n2:4222/20260730T101500Z-4f2a1b
  bulkhead report compare runs/before runs/after`,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "format", DefaultText: "by the ending of --output, or else text",
				Usage: "`FORMAT`: " + oneOf(forms)},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"},
				Usage: "write to `FILE` instead of standard output (-)"},
			&cli.GenericFlag{Name: "assert", Value: new(texts),
				Usage: "exit with 3 unless `EXPR` holds, such as 'p99 < 50ms'"},
		}, engineFlags()...),
		OnUsageError: onUsageError,
		Action:       func(ctx *cli.Context) error { return rebuildReport(ctx, stdout, stderr, forms) },
		Subcommands:  []*cli.Command{compareCommand(stdout, stderr)},
	}
}

// texts is a flag that may be given several times, with commas in it.
type texts []string

func (t *texts) Set(text string) error {
	*t = append(*t, text)
	return nil
}

func (t *texts) String() string { return "" }

func rebuildReport(ctx *cli.Context, stdout *results.Stdout, stderr io.Writer, forms []render.Form) error {
	if ctx.NArg() == 0 {
		return usageError{
			fmt.Errorf("report takes one run directory, such as bulkhead-state/runs/latest; 0 were given; see "+
				"`%s --help`", commandName(ctx))}
	}
	if i := slices.IndexFunc(ctx.Args().Slice(), access.IsPlace); i >= 0 && ctx.NArg() > 1 {
		return usageError{fmt.Errorf("%s: of several runs, each must be in a folder; see `bulkhead journal "+
			"export --help`", ctx.Args().Get(i))}
	}
	if ctx.NArg() > 1 || saved.IsJob(ctx.Args().First()) {
		return sumUp(ctx, stdout)
	}
	form, err := formOf(ctx, forms)
	if err != nil {
		return err
	}
	var assertions []assertion.Assertion
	for _, text := range *ctx.Generic("assert").(*texts) {
		a, err := assertion.Parse(text)
		if err == nil && a.Live() {
			err = fmt.Errorf("%q: for and abort are of a run that goes on; assert %s", text, a.Plain())
		}
		if err != nil {
			return usageError{fmt.Errorf("--assert: %w", err)}
		}
		assertions = append(assertions, a)
	}
	r, err := rebuilt(ctx, ctx.Args().First(), stdout, stderr)
	if err != nil {
		return err
	}
	var results []judge.Result
	for _, a := range assertions {
		results = append(results, judge.Check(r, a))
	}
	format := render.Formats()[slices.Index(forms, form)]
	err = output(ctx.String("output"), stdout, func(w io.Writer) error { return format.Write(r, w, results) })
	if err != nil {
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

// sumUp sums up the runs of a job, or several.
func sumUp(ctx *cli.Context, stdout io.Writer) error {
	dirs := ctx.Args().Slice()
	if meant := commandMeant(ctx.Command, commandName(ctx), &cli.Command{}, dirs[0]); meant != "" {
		return usageError{fmt.Errorf("%s is no run directory; %ssee `%s --help`", dirs[0], meant, commandName(ctx))}
	}
	if ctx.IsSet("assert") {
		return usageError{errors.New("--assert: is of one run; give one run directory")}
	}
	form, err := formOf(ctx, []render.Form{render.FormText, render.FormJSON})
	if err != nil {
		return err
	}
	var sum *repeats.Summary
	if len(dirs) == 1 {
		sum, err = saved.Job(dirs[0])
	} else {
		sum, err = saved.Runs(dirs)
	}
	if err != nil {
		return err
	}
	write := sum.WriteText
	if form == render.FormJSON {
		write = sum.WriteJSON
	}
	if err := output(ctx.String("output"), stdout, write); err != nil {
		return fmt.Errorf("writing the summary: %w", err)
	}
	return nil
}

// broken prints on stderr which assertions do not hold, and returns errPartial if any does not.
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
