package main

import (
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"bulkhead/internal/tokens"
)

func tokenCommand(stdout io.Writer) *cli.Command {
	return &cli.Command{
		Name:  "token",
		Usage: "make tokens of clients",
		Description: `A client with a token of its own is known by it: nobody else can act for it.

Example:
  bulkhead token new alpha`,
		OnUsageError: onUsageError,
		Action:       needCommand,
		Subcommands: []*cli.Command{
			{
				Name:      "new",
				Usage:     "make the token of a client",
				ArgsUsage: "NAME",
				Description: `The first line is the token, for the client alone: as BULKHEAD_TOKEN, or as token in a
file that only its owner can read. The second line goes into the supervisor's file of
tokens (--tokens FILE), which has no secrets but hashes; it takes effect within seconds.
Nothing is kept here: a token that is lost is replaced by another.

Example:
  bulkhead token new alpha`,
				OnUsageError: onUsageError,
				Action:       func(ctx *cli.Context) error { return newToken(ctx, stdout) },
			},
		},
	}
}

func newToken(ctx *cli.Context, stdout io.Writer) error {
	if ctx.NArg() != 1 {
		return usageError{fmt.Errorf("token new takes the name of one client; see `%s --help`", commandName(ctx))}
	}
	t, err := tokens.New(ctx.Args().First())
	if err != nil {
		return usageError{fmt.Errorf("NAME: %w", err)}
	}
	_, err = fmt.Fprintf(stdout, "%s\n%s\n", t.Secret(), t.Line())
	return err
}
