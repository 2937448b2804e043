package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v2"

	"bulkhead/client"
	"bulkhead/client/spec"
	"bulkhead/internal/config"
	"bulkhead/internal/pathname"
	"bulkhead/internal/plural"
	"bulkhead/internal/sink"
	"bulkhead/internal/version"
)

func clientCommand(stdout *stdout, stderr *sink.Sink) *cli.Command {
	keys := config.ClientKeys()
	return &cli.Command{
		Name:  "client",
		Usage: "write files and report to a supervisor",
		Description: `The client first checks that the load can work (path, free space, at least two
files per consumer in the runtime), then connects, then starts its consumers and the
monitor as processes of their own. SIGINT, SIGTERM or SIGHUP ends the load in order; a
second one at once; a third one kills the client. Load files are removed at the end
unless --keep.

Settings of single consumers go into the YAML file (consumers: [{chunk_size: …}]) and
win over the flags and keys for all of them.

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

// planFlags are the flags that are no settings: what is given once, for one start.
func planFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "dry-run", Usage: "print what would be written where, and neither connect nor write"},
		&cli.BoolFlag{Name: "json", Usage: "with --dry-run: print JSON"},
		&cli.BoolFlag{Name: "force", Usage: "write also to a path that holds files of others, this once"},
	}
}

func runClient(ctx *cli.Context, keys []config.Key, stdout *stdout, stderr *sink.Sink) error {
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
	if ctx.Bool("dry-run") {
		return printClientPlan(ctx, cfg, stdout)
	}
	if ctx.Bool("json") {
		return usageError{errors.New("--json: is for --dry-run only")}
	}
	signals, stop := interruptibleTwice()
	defer stop()
	cfg.Logger = newLogger(settings.Log, stderr)
	logUnknownVariables(cfg.Logger)
	block := blockFor(settings.Log, stderr)
	if block != nil {
		progressOn(block, &cfg)
	}
	res, err := client.Run(ctx.Context, cfg, signals)
	if block != nil {
		block.Close()
	}
	stderr.Flush() // before the result, which may go to the same place
	if err != nil {
		return err
	}
	out := newResults(stdout, stderr, true)
	out.add(result{print: func(w io.Writer) { printResult(w, res) }})
	out.finish(signals, cfg.Logger)
	switch res.ExitCode() {
	case exitPartial:
		return errPartial
	case exitInterrupted:
		return errCutShort
	}
	return nil
}

// interruptibleTwice is interruptible for the first two signals, the end of the terminal
// among them unless it is ignored (nohup(1)): a third one has its usual effect, in case that
// the end hangs.
func interruptibleTwice() (signals <-chan os.Signal, stop func()) {
	var also []os.Signal
	if !signal.Ignored(syscall.SIGHUP) {
		also = append(also, syscall.SIGHUP)
	}
	in, release := interruptible(also...)
	out, enough, ended := make(chan os.Signal, 2), make(chan struct{}), make(chan struct{})
	go func() { // ends after two signals, or with stop
		defer close(ended)
		defer release()
		for range 2 {
			select {
			case s := <-in:
				out <- s
			case <-enough:
				return
			}
		}
	}()
	return out, func() {
		close(enough)
		<-ended
	}
}

// printResult prints how a client's run went.
func printResult(w io.Writer, r client.Result) {
	rate := 0.0
	if s := r.Writing.Seconds(); s > 0 {
		rate = float64(r.Bytes) / 1e6 / s
	}
	fmt.Fprintf(w, "%s: %s, %.1f MB in %.1fs (%.1f MB/s), %s, %s; %s\n",
		r.Verdict, plural.Of(r.Files, "file"), float64(r.Bytes)/1e6, r.Writing.Seconds(), rate, plural.Of(r.Chunks, "chunk"), plural.Of(r.Errors, "error"), plural.Of(r.Messages, "message"))
	if r.VerifiedBytes > 0 {
		fmt.Fprintf(w, "  %.1f MB read back and compared, %s\n", float64(r.VerifiedBytes)/1e6, plural.Of(r.CorruptBlocks, "corrupt block"))
	}
	for _, p := range r.Problems {
		fmt.Fprintf(w, "  %s\n", pathname.Printable(p))
	}
	if r.Interruption != "" {
		fmt.Fprintf(w, "  %s\n", r.Interruption)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(w, "  note: %s\n", n)
	}
	if r.ResendCommand != "" {
		fmt.Fprintf(w, "  deliver them with: %s\n", r.ResendCommand)
	}
	for _, p := range r.LoadPaths {
		fmt.Fprintf(w, "  load files kept in %s\n", pathname.Printable(p))
	}
}
