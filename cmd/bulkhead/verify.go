package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"bulkhead/client/verify"
	"bulkhead/internal/results"
)

func verifyCommand(stdout *results.Stdout) *cli.Command {
	return &cli.Command{
		Name:      "verify",
		Usage:     "check files that a client has left",
		ArgsUsage: "PATH",
		Description: `PATH is a file, the folder of a consumer or of a client, or one that holds folders
of clients. Every block is read, from storage where the system allows it, and must be
the one that was written there; a block that is not is named, and so is what was found
in its place. Nothing is changed. Do not let a client write there meanwhile.

The last file of each consumer may be unfinished, as a killed client leaves it: it may
end anywhere, or hold what was there before. A consumer with several writers
(concurrency) may leave one such file for each: the record in the client's folder, or
else --writers, says how many.

Exit status: 0 everything is as it was written; 3 something is not, or could not be
read, or there was nothing to verify by; 64 no such path, or no consumer's file there.

Example:
  bulkhead verify /mnt/under-test`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "json", Usage: "print JSON"},
			&cli.IntFlag{Name: "writers",
				Usage: "`N` files were written at a time by each consumer; 0 takes the number from the client's " +
					"record, or else 1"},
		},
		OnUsageError: onUsageError,
		Action:       func(ctx *cli.Context) error { return runVerify(ctx, stdout) },
	}
}

func runVerify(ctx *cli.Context, stdout *results.Stdout) error {
	if ctx.NArg() != 1 || ctx.Args().First() == "" {
		return usageError{fmt.Errorf("verify takes one path, such as /mnt/under-test; %d were given; see `%s --help`",
			ctx.NArg(), commandName(ctx))}
	}
	if n := ctx.Int("writers"); n < 0 {
		return usageError{fmt.Errorf("--writers %d: use 1 or more, or 0 for what the client's record says", n)}
	}
	path := ctx.Args().First()
	interrupted, stop := untilInterrupted(ctx.Context, stdout)
	defer stop()
	o := verify.ListOptions{Writers: ctx.Int("writers")}
	if !ctx.Bool("json") {
		o.Text = stdout
	}
	list, err := verify.List(interrupted, path, o)
	switch {
	case errors.Is(err, verify.ErrNothingThere), errors.Is(err, os.ErrNotExist):
		return usageError{err}
	case err != nil:
		return err
	}
	show := list.Text
	if ctx.Bool("json") {
		show = list.JSON
	}
	if err := show(stdout); err != nil {
		return fmt.Errorf("printing what was found: %w", err)
	}
	if list.Verdict != verify.AllVerified {
		return errPartial
	}
	return nil
}
