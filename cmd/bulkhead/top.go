package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/urfave/cli/v2"

	"bulkhead/internal/results"
	"bulkhead/internal/terminal"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/control"
)

func topCommand(stdout *results.Stdout, stderr io.Writer) *cli.Command {
	return &cli.Command{
		Name:  "top",
		Usage: "watch the run of a running supervisor",
		Description: `Shows the table that the supervisor draws on its own terminal. q ends it, unnoticed by
the supervisor; it ends by itself when the supervisor does.

Example:
  bulkhead top --state-dir /var/lib/bulkhead`,
		Flags:        whichFlags(),
		OnUsageError: onUsageError,
		Action: func(ctx *cli.Context) error {
			if err := noArguments(ctx); err != nil {
				return err
			}
			out := stdout.File()
			if !terminal.Fit(out) {
				return usageError{
					errors.New(
						"top needs a terminal as standard output; use `bulkhead supervisor status`")}
			}
			meant, err := supervisorMeant(ctx, stderr)
			if err != nil {
				return err
			}
			ended, err := watchOther(ctx.Context, meant, out)
			if ended {
				_, err = fmt.Fprintln(stdout, "the supervisor has ended")
			}
			return err
		},
	}
}

// watchOther draws the run of another supervisor on a terminal. It reports whether it ended because that
// did.
func watchOther(ctx context.Context, meant control.Address, out *os.File) (ended bool, err error) {
	signals, stop := interruptible(syscall.SIGHUP)
	defer stop()
	c, err := meant.Dial(ctx)
	if err != nil {
		return false, err
	}
	defer c.Close()
	ask := func(ctx context.Context) (*bulkheadv1.StatusResponse, error) {
		ctx, cancel := context.WithTimeout(ctx, operateTimeout)
		defer cancel()
		return c.Status(ctx, &bulkheadv1.StatusRequest{})
	}
	return painter().Watch(ctx, out, signals, ask)
}
