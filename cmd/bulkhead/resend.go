package main

import (
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/urfave/cli/v2"

	"bulkhead/client"
	"bulkhead/internal/config"
	"bulkhead/internal/pathname"
	"bulkhead/internal/plural"
	"bulkhead/internal/sink"
)

func resendCommand(stdout *stdout, stderr *sink.Sink) *cli.Command {
	keys := slices.DeleteFunc(config.ClientKeys(), func(k config.Key) bool {
		return !slices.Contains([]string{"supervisor", "token", "connect_timeout", "log.level", "log.format"}, k.Name)
	})
	keep := &cli.BoolFlag{Name: "keep", Usage: "leave the spool in place when it was delivered"}
	nextRun := &cli.BoolFlag{Name: "next-run", Usage: "if the client's run is over, deliver into the run that there is"}
	return &cli.Command{
		Name:      "resend",
		Usage:     "deliver what a client could not deliver",
		ArgsUsage: "SPOOL",
		Description: `A client that ends with undelivered messages names the file, SPOOL, that it kept
them in. resend delivers them as that client, with their old numbers, and removes the
file. A supervisor that does not know the client's run or the messages before them, or
that gave the client up as lost, gets them as a session of its own. A damaged file is
delivered up to the damage.

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

func runResend(ctx *cli.Context, keys []config.Key, stdout *stdout, stderr *sink.Sink) error {
	if ctx.NArg() != 1 || ctx.Args().First() == "" {
		return usageError{fmt.Errorf("want one SPOOL, the file that a client has named; see `%s --help`", commandName(ctx))}
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
	logUnknownVariables(log)
	interrupted, stop := untilInterrupted(ctx.Context, stdout)
	defer stop()
	res, err := client.Resend(interrupted, client.ResendConfig{
		Spool: ctx.Args().First(), Keep: ctx.Bool("keep"), NextRun: ctx.Bool("next-run"),
		Supervisor: settings.Supervisor, Token: settings.Token, ConnectTimeout: settings.ConnectTimeout,
		Logger: log,
	})
	if err != nil {
		return usageError{err}
	}
	printResent(stdout, res)
	if !res.Complete() {
		return errPartial
	}
	return nil
}

// printResent prints what became of a spool.
func printResent(w io.Writer, r client.ResendResult) {
	verdict := "delivered"
	if !r.Complete() {
		verdict = "not all delivered"
	}
	fmt.Fprintf(w, "%s: %d of %s of client %s", verdict, r.Durable, plural.Of(r.Messages, "message"), r.Name)
	if r.Messages > 0 {
		fmt.Fprintf(w, " (%d to %d)", r.FirstSeq, r.LastSeq)
	}
	if r.RunID != "" {
		fmt.Fprintf(w, " to run %s", r.RunID)
	}
	if r.SessionID != "" {
		fmt.Fprintf(w, ", session %s", r.SessionID)
	}
	fmt.Fprintln(w)
	if r.Known > 0 {
		fmt.Fprintf(w, "  %d of them were there already\n", r.Known)
	}
	if r.Lost {
		fmt.Fprintf(w, "  the session of this client was lost in that run after message %d", r.LostAfter)
		if r.LostAfter < r.LastSeq {
			fmt.Fprint(w, "; the rest is a session of its own there, numbered from 1")
		}
		fmt.Fprintln(w)
	}
	if r.FromRun != "" {
		from := "the client was in run " + r.FromRun + ", of which the supervisor knows nothing"
		if r.FromRunOver {
			from = "the client was in run " + r.FromRun + ", which is over"
		}
		fmt.Fprintln(w, "  "+from+"; this is a session of its own, numbered from 1")
	}
	if r.FromRun != "" && r.Unknown > 0 {
		fmt.Fprintf(w, "  messages %d to %d are not in the spool: that run has them, or they were lost with the client\n", r.UnknownFrom, r.Unknown)
	} else if r.Unknown > 0 { // with Lost, the same session of its own
		fmt.Fprintf(w, "  the supervisor does not know messages %d to %d, which are not in the spool: an earlier run has them, or they were lost with the client; the rest is a session of its own there, numbered from 1\n", r.UnknownFrom, r.Unknown)
	}
	if r.Damage != "" {
		fmt.Fprintf(w, "  the spool is damaged %s; what follows is not delivered\n", r.Damage)
	}
	if r.Failure != nil {
		fmt.Fprintf(w, "  %v\n", r.Failure)
	}
	if r.Removed {
		fmt.Fprintf(w, "  removed %s\n", pathname.Printable(r.Path))
	} else {
		fmt.Fprintf(w, "  the spool stays in %s\n", pathname.Printable(r.Path))
	}
}
