package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"bulkhead/client"
	"bulkhead/client/preflight"
	"bulkhead/client/spec"
	"bulkhead/internal/child"
	"bulkhead/internal/config"
	"bulkhead/internal/results"
	"bulkhead/internal/sink"
	"bulkhead/internal/terminal"
	"bulkhead/internal/version"
)

func clientCommand(stdout *results.Stdout, stderr *sink.Sink) *cli.Command {
	keys := config.ClientKeys()
	return &cli.Command{
		Name:  "client",
		Usage: "write files and report to a supervisor",
		Description: `The client first checks that the load can work (path, free space, at least two
files per consumer in the runtime), then connects, then starts its consumers and the
monitor as processes of their own. SIGINT, SIGTERM or SIGHUP ends the load in order, a
second one ends it at once, and a third one kills the client. Load files are removed at
the end, unless --keep is given.

Settings of single consumers go into the YAML file (consumers: [{chunk_size: …}]) and
win over the flags and keys for all consumers.

Examples:
  bulkhead client --supervisor 10.0.0.1:7420 --path /mnt/under-test --consumers 4 --runtime 10m
  bulkhead client --config configs/client.yaml --dry-run`,
		Flags:        append(settingFlags(keys), planFlags()...),
		Subcommands:  []*cli.Command{resendCommand(stdout, stderr), conformanceCommand(stdout, stderr)},
		OnUsageError: onUsageError,
		Action: func(ctx *cli.Context) error {
			return runClient(ctx, keys, stdout, stderr)
		},
	}
}

// planFlags returns the flags that are not settings: they are given for one start.
func planFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "dry-run", Usage: "print what would be written where, and neither connect nor write"},
		&cli.BoolFlag{Name: "json", Usage: "with --dry-run: print JSON"},
		&cli.BoolFlag{Name: "force", Usage: "this once, write also to a path that holds other files"},
	}
}

func runClient(ctx *cli.Context, keys []config.Key, stdout *results.Stdout, stderr *sink.Sink) error {
	if err := noArguments(ctx); err != nil {
		return err
	}
	file, err := configFile(ctx)
	if err != nil {
		return err
	}
	settings, err := config.LoadClient(file, os.Environ(), overrides(ctx, keys))
	if err != nil || ctx.Bool("dry-run") {
		printUnknownVariables(stderr)
	}
	if err != nil {
		return err
	}
	cfg := spec.Of(settings)
	cfg.Version = version.String()
	cfg.Force = ctx.Bool("force")
	if cfg.Secret, err = spec.SecretGiven(os.Getenv(spec.SecretVariable)); err != nil {
		return err
	}
	cfg.OfAgent = os.Getenv(spec.SecretVariable) != ""
	cfg.FirstSupervisor = os.Getenv(spec.FirstSupervisorVariable)
	if ctx.Bool("dry-run") {
		return printPlan(ctx, cfg, stdout)
	}
	if ctx.Bool("json") {
		return usageError{errors.New("--json: is for --dry-run only")}
	}
	signals, asked, stop := interruptibleTwice()
	defer stop()
	cfg.Logger = newLogger(settings.Log, stderr)
	concealToken(cfg.Logger)
	logUnknownVariables(cfg.Logger)
	warnOfToken(ctx, cfg.Logger)
	block := blockFor(settings.Log, stderr)
	if block != nil {
		progressOn(block, &cfg)
	}
	endOrphans := child.EndOrphans(cfg.Logger)
	res, err := client.Run(ctx.Context, cfg, signals)
	endOrphans()
	if block != nil {
		block.Close()
	}
	stderr.Flush() // before the result, which may go to the same place
	if err != nil {
		return err
	}
	out := results.NewQueue(stdout, stderr, true)
	out.Add(results.Result{Print: res.Text})
	out.Finish(signals, asked(), cfg.Logger)
	switch res.ExitCode() {
	case exitPartial:
		return errPartial
	case exitInterrupted:
		return errCutShort
	}
	return nil
}

// printPlan does --dry-run: it prints what a client would do. It returns why the client would not
// begin.
func printPlan(ctx *cli.Context, cfg spec.Config, w io.Writer) error {
	plan, err := preflight.MakePlan(ctx.Context, cfg)
	if err != nil {
		return err
	}
	show := plan.Text
	if ctx.Bool("json") {
		show = plan.JSON
	}
	if err := show(w); err != nil {
		return fmt.Errorf("printing the plan: %w", err)
	}
	if len(plan.Problems) > 0 {
		return fmt.Errorf("%w:\n%s", spec.ErrConfig, strings.Join(plan.Problems, "\n"))
	}
	return nil
}

// progressOn makes a client draw how far it is in a block below its log.
func progressOn(block *terminal.Block, cfg *spec.Config) {
	p := painter()
	cfg.Progress = func(at spec.Progress) {
		g := terminal.Progress{
			Elapsed: at.Elapsed, Runtime: at.Runtime, BytesPerSecond: at.BytesPerSecond, Bytes: at.Bytes,
			Files: at.Files, Errors: at.Errors, TotalBytes: at.TotalBytes, Stage: at.Stage,
		}
		if at.Ending {
			g.Ending = "ending"
		}
		width, _ := block.Size()
		block.Show(p.Progress(g, width))
	}
}
