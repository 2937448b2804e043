package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"bulkhead/handler/conformance"
	"bulkhead/internal/config/value"
	"bulkhead/internal/results"
)

func conformanceCommand(stdout *results.Stdout, stderr io.Writer) *cli.Command {
	return &cli.Command{
		Name:      "conformance",
		Usage:     "test a client of the protocol, in whatever language",
		ArgsUsage: "[-- COMMAND ARGUMENT…]",
		Description: `Plays a strict supervisor to a client: it withholds answers, cuts connections, is
busy, drains, and says what the client did wrong. docs/protocol.md has the rules.

COMMAND is run once for each scenario. It finds the address in BULKHEAD_SUPERVISOR, and in
place of an argument ADDRESS. It should write a little, report at least ten messages in
several batches, and end by itself. Without a COMMAND, start a client by hand whenever you
are asked to.

Exit status: 0 every scenario passed, 3 some did not.

Scenarios: ` + strings.Join(conformance.Scenarios(), ", ") + `

Example:
  bulkhead client conformance -- python3 client.py --seconds 3`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "listen", Value: "127.0.0.1:0",
				Usage: "`ADDR`: address that the client connects to; port 0 is a free one"},
			&cli.StringSliceFlag{Name: "only", Usage: "play this `SCENARIO`; may be repeated"},
			&cli.DurationFlag{Name: "patience", Value: 30 * time.Second,
				Usage: "`DURATION`: how long the client may take for each step"},
			&cli.BoolFlag{Name: "json", Usage: "print JSON"},
		},
		OnUsageError: onUsageError,
		Action: func(ctx *cli.Context) error {
			return tryClient(ctx, stdout, stderr)
		},
	}
}

func tryClient(ctx *cli.Context, stdout *results.Stdout, stderr io.Writer) error {
	if err := value.CheckAddress(true)(ctx.String("listen")); err != nil {
		return usageError{fmt.Errorf("--listen: %w; see `%s --help`", err, commandName(ctx))}
	}
	interrupted, stop := untilInterrupted(ctx.Context, stdout)
	defer stop()
	res, err := conformance.Run(interrupted, conformance.Config{
		Listen: ctx.String("listen"), Command: ctx.Args().Slice(), Only: ctx.StringSlice("only"),
		Patience: ctx.Duration("patience"), Progress: stderr,
	})
	switch {
	case errors.Is(err, conformance.ErrUnknownScenario):
		return usageError{err}
	case err != nil:
		return err
	}
	show := res.Text
	if ctx.Bool("json") {
		show = res.JSON
	}
	if err := show(stdout); err != nil {
		return err
	}
	if !res.Conforms() {
		return errPartial
	}
	return nil
}
