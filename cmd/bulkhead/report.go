package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/urfave/cli/v2"

	"bulkhead/supervisor/report"
)

func reportCommand(stdout io.Writer) *cli.Command {
	return &cli.Command{
		Name:      "report",
		Usage:     "rebuild the report of a run from its journal",
		ArgsUsage: "RUN_DIR",
		Description: `RUN_DIR is STATE_DIR/runs/RUN-ID; runs/latest is the newest. Nothing but the journal
in it is read, so this works also for a run whose supervisor was killed.

Example: bulkhead report bulkhead-state/runs/latest --format json --output report.json`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "format", Value: "text", Usage: "`FORMAT`: text or json"},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write to `FILE` instead of standard output"},
		},
		OnUsageError: onUsageError,
		Action:       func(ctx *cli.Context) error { return rebuildReport(ctx, stdout) },
	}
}

func rebuildReport(ctx *cli.Context, stdout io.Writer) error {
	if ctx.NArg() != 1 {
		return usageError{fmt.Errorf("report takes one run directory, such as bulkhead-state/runs/latest; %d were given", ctx.NArg())}
	}
	format := ctx.String("format")
	if format != "text" && format != "json" {
		return usageError{fmt.Errorf("--format: %q is not valid; use text or json", format)}
	}
	dir := ctx.Args().First()
	journalDir := filepath.Join(dir, "journal")
	if _, err := os.Stat(journalDir); errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return usageError{fmt.Errorf("%s is not a run directory: it holds no journal", dir)}
	}
	r, err := report.FromJournal(journalDir)
	if err != nil {
		return err
	}
	if err := output(ctx.String("output"), stdout, func(w io.Writer) error { return render(r, format, w) }); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

func render(r *report.Report, format string, w io.Writer) error {
	if format == "json" {
		return r.JSON(w)
	}
	return r.Text(w)
}

// output calls write with a file, or with stdout if path is "".
func output(path string, stdout io.Writer, write func(io.Writer) error) error {
	if path == "" {
		return write(stdout)
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}
