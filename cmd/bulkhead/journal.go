package main

import (
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"bulkhead/supervisor/report/saved"
)

func journalCommand(stdout io.Writer) *cli.Command {
	return &cli.Command{
		Name:  "journal",
		Usage: "look at the journal of a run",
		Description: `A journal is the durable record of a run, and the only source of its report.

Example:
  bulkhead journal check bulkhead-state/runs/latest`,
		OnUsageError: onUsageError,
		Action:       needCommand,
		Subcommands: []*cli.Command{
			{
				Name:      "check",
				Usage:     "check that a journal is whole and in order",
				ArgsUsage: "RUN_DIR",
				Description: `RUN_DIR is STATE_DIR/runs/RUN-ID, or the folder of a journal itself. Nothing is
changed, and the journal may be of a run that is still running.

Exit status: 0 whole and in order, even if a crash cut the last record short: nothing
in that was ever acknowledged; 3 damaged, out of order, without records that the
run's report.json was made from, or with a checkpoint that is not what the records
say; 64 no journal there. A checkpoint that no supervisor would use changes nothing.

Example:
  bulkhead journal check bulkhead-state/runs/latest`,
				Flags:        []cli.Flag{&cli.BoolFlag{Name: "json", Usage: "print JSON"}},
				OnUsageError: onUsageError,
				Action:       func(ctx *cli.Context) error { return checkJournal(ctx, stdout) },
			},
		},
	}
}

func checkJournal(ctx *cli.Context, stdout io.Writer) error {
	if ctx.NArg() != 1 {
		return usageError{
			fmt.Errorf("journal check takes one run directory, such as bulkhead-state/runs/latest; %d were given; "+
				"see `%s --help`", ctx.NArg(), commandName(ctx))}
	}
	found, err := saved.CheckJournal(ctx.Args().First())
	if err != nil {
		return err
	}
	show := found.Text
	if ctx.Bool("json") {
		show = found.JSON
	}
	if err := show(stdout); err != nil {
		return fmt.Errorf("printing what was found: %w", err)
	}
	if !found.Clean {
		return errPartial
	}
	return nil
}
