package main

import (
	"fmt"
	"os"
	"slices"

	"github.com/urfave/cli/v2"

	"bulkhead/client"
	"bulkhead/internal/config"
	"bulkhead/internal/results"
	"bulkhead/internal/sink"
)

func resendCommand(stdout *results.Stdout, stderr *sink.Sink) *cli.Command {
	keys := slices.DeleteFunc(config.ClientKeys(), func(k config.Key) bool {
		return !slices.Contains([]string{"supervisor", "token", "token_file", "tls.ca", "tls.cert", "tls.key",
			"tls.server_name", "connect_timeout", "log.level", "log.format"}, k.Name)
	})
	keep := &cli.BoolFlag{Name: "keep", Usage: "keep the spool after delivery"}
	nextRun := &cli.BoolFlag{Name: "next-run", Usage: "if the client's run is over, deliver into the current run"}
	return &cli.Command{
		Name:      "resend",
		Usage:     "deliver what a client could not deliver",
		ArgsUsage: "SPOOL",
		Description: `A client that ends with undelivered messages keeps them in a file, SPOOL, and names it.
resend delivers them as that client, with their old numbers, and removes the file. If the
supervisor does not know the client's run or the messages before them, or gave the client
up as lost, they become a session of their own. A damaged file is delivered up to the
damage.

Exit status: 0 delivered, 3 not all delivered (the file stays), 64 bad usage or not a
spool, 78 bad configuration.

Example:
  bulkhead client resend --supervisor 10.0.0.1:7420 /tmp/bulkhead-123/spool`,
		Flags:        append(settingFlags(keys), keep, nextRun),
		OnUsageError: onUsageError,
		Action: func(ctx *cli.Context) error {
			return runResend(ctx, keys, stdout, stderr)
		},
	}
}

func runResend(ctx *cli.Context, keys []config.Key, stdout *results.Stdout, stderr *sink.Sink) error {
	if ctx.NArg() != 1 || ctx.Args().First() == "" {
		return usageError{fmt.Errorf("resend takes one SPOOL, the file that a client has named; see `%s --help`",
			commandName(ctx))}
	}
	file, err := configFile(ctx)
	if err != nil {
		return err
	}
	settings, err := config.LoadClient(file, os.Environ(), overrides(ctx, keys))
	if err != nil {
		printUnknownVariables(stderr)
		return err
	}
	log := newLogger(settings.Log, stderr)
	concealToken(log)
	logUnknownVariables(log)
	warnOfToken(ctx, log)
	interrupted, stop := untilInterrupted(ctx.Context, stdout)
	defer stop()
	res, err := client.Resend(interrupted, client.ResendConfig{
		Spool: ctx.Args().First(), Keep: ctx.Bool("keep"), NextRun: ctx.Bool("next-run"),
		Supervisor: settings.Supervisor, Token: settings.Token, TokenFile: settings.TokenFile,
		TLS: settings.TLS, ConnectTimeout: settings.ConnectTimeout, Logger: log,
	})
	if err != nil {
		return usageError{err}
	}
	res.Text(stdout)
	if !res.Complete() {
		return errPartial
	}
	return nil
}
