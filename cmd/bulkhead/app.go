package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"bulkhead/client"
	"bulkhead/internal/config"
	"bulkhead/internal/exitstatus"
	"bulkhead/internal/pathname"
	"bulkhead/internal/sink"
	"bulkhead/internal/version"
	"bulkhead/supervisor"
)

// Exit statuses, the same for every command.
const (
	exitOK          = exitstatus.Complete
	exitFailure     = exitstatus.Failure
	exitPartial     = exitstatus.Partial
	exitInterrupted = exitstatus.Interrupted
	exitUsage       = exitstatus.Usage
	exitConfig      = exitstatus.Config
)

// errInterrupted is why a command ended that was interrupted.
var errInterrupted = errors.New("interrupted")

// errPartial makes a command exit with 3 without a word: it has said why.
var errPartial = errors.New("partial")

// errCutShort makes a command exit with 4 without a word: it has said what was cut short by
// an operator.
var errCutShort = errors.New("cut short")

// errSaid makes a command exit with 1 without a word: whoever started it knows why.
var errSaid = errors.New("said already")

// usageError is bad usage: exit status 64.
type usageError struct{ error }

// run runs the command line and returns its exit status.
func run(ctx context.Context, args []string, out, errs io.Writer) int {
	stdout, stderr := stdoutOf(out), sink.Of(errs)
	defer stderr.Flush() // gives up on a reader that takes nothing
	// Whoever reads the output may be gone first (Ctrl-C also ends the tee of a
	// pipeline); the load still ends in order and the report is still written.
	signal.Ignore(syscall.SIGPIPE)
	app := newApp(stdout, stderr)
	err := app.RunContext(ctx, flagsFirst(switchesJoined(app, args)))
	code := exitCode(err)
	if err != nil && !errors.Is(err, errPartial) && !errors.Is(err, errCutShort) && !errors.Is(err, errSaid) {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			fmt.Fprintln(stderr, "bulkhead:", pathname.Printable(line))
		}
	}
	return code
}

// exitCode is the exit status for an error.
func exitCode(err error) int {
	var usage usageError
	var problems config.Problems
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errPartial):
		return exitPartial
	case errors.Is(err, errCutShort):
		return exitInterrupted
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &problems), errors.Is(err, supervisor.ErrConfig), errors.Is(err, client.ErrConfig):
		return exitConfig
	default:
		return exitFailure
	}
}

func newApp(stdout *stdout, stderr *sink.Sink) *cli.App {
	return &cli.App{
		Name:  "bulkhead",
		Usage: "sustained storage load from many machines, and the truth about what happened",
		Description: `A supervisor collects what clients report. Clients write files in chunks and
roll over to the next file at a set size. Every client is served by an operating
system process of its own, so that nothing that goes wrong with one touches another.

On the collecting machine:   bulkhead supervisor start --clients 3
On each test machine:        bulkhead client --supervisor HOST:7420 --path /mnt/under-test
Later, or after a crash:     bulkhead report bulkhead-state/runs/latest

Settings: a flag wins over the environment (BULKHEAD_…), that over the YAML file,
that over the default.

Exit status: 0 complete, 1 failure, 3 partial, 4 interrupted by an operator, 64 bad
usage, 78 bad configuration. 2 is never one of them: it is a crash.`,
		HideVersion:    true,
		Writer:         stdout,
		ErrWriter:      stderr,
		ExitErrHandler: func(*cli.Context, error) {}, // run decides
		OnUsageError:   onUsageError,
		Action:         needCommand,
		Commands: []*cli.Command{
			supervisorCommand(stdout, stderr),
			clientCommand(stdout, stderr),
			reportCommand(stdout, stderr),
			journalCommand(stdout),
			verifyCommand(stdout),
			topCommand(stdout),
			versionCommand(stdout),
			workerCommand(),
		},
	}
}

func onUsageError(ctx *cli.Context, err error, _ bool) error {
	return usageError{fmt.Errorf("%w; see `%s --help`", err, commandName(ctx))}
}

// needCommand is the action of commands that only hold others.
func needCommand(ctx *cli.Context) error {
	if ctx.NArg() > 0 {
		return usageError{fmt.Errorf("%q is not a command; see `%s --help`", ctx.Args().First(), commandName(ctx))}
	}
	_ = cli.ShowSubcommandHelp(ctx) // to stdout; if that fails there is nobody to tell
	return usageError{fmt.Errorf("a command is missing; see above")}
}

// noArguments refuses arguments that a command does not take.
func noArguments(ctx *cli.Context) error {
	if ctx.NArg() > 0 {
		return usageError{fmt.Errorf("unexpected argument %q; see `%s --help`", ctx.Args().First(), commandName(ctx))}
	}
	return nil
}

// commandName is how the command is called, such as "bulkhead supervisor start".
func commandName(ctx *cli.Context) string {
	names := []string{}
	for _, c := range ctx.Lineage() {
		if c.Command != nil && c.Command.Name != "" && (len(names) == 0 || names[0] != c.Command.Name) {
			names = append([]string{c.Command.Name}, names...)
		}
	}
	return strings.Join(names, " ")
}

// withArguments are the commands that take arguments.
var withArguments = [][]string{{"report"}, {"report", "compare"}, {"journal", "check"}, {"client", "resend"}, {"verify"}}

// flagsFirst moves the arguments of commands that take some behind their flags, because
// the flag parser stops at the first argument.
func flagsFirst(args []string) []string {
	words := 0 // of the command's name, with the program
	for _, name := range withArguments {
		if n := len(name) + 1; len(args) > n && slices.Equal(args[1:n], name) {
			words = n
		}
	}
	if words == 0 {
		return args
	}
	flags, rest := slices.Clone(args[:words]), []string{"--"}
	for in := args[words:]; len(in) > 0; in = in[1:] {
		switch a := in[0]; {
		case a == "--":
			return append(append(flags, rest...), in[1:]...)
		case len(a) > 1 && a[0] == '-':
			flags = append(flags, a)
			if !takesValue(a) {
				continue
			}
			if len(in) == 1 {
				return flags // the parser says that a value is missing
			}
			flags = append(flags, in[1])
			in = in[1:]
		default:
			rest = append(rest, a)
		}
	}
	return append(flags, rest...)
}

// takesValue says whether a flag of these commands has its value in the next
// argument.
func takesValue(flag string) bool {
	switch strings.TrimLeft(flag, "-") {
	case "format", "output", "o", "assert", "config", "c", "supervisor", "token", "connect-timeout", "log-level", "log-format", "writers":
		return true
	default:
		return false
	}
}

func versionCommand(stdout io.Writer) *cli.Command {
	return &cli.Command{
		Name:         "version",
		Usage:        "print the version",
		OnUsageError: onUsageError,
		Action: func(ctx *cli.Context) error {
			if err := noArguments(ctx); err != nil {
				return err
			}
			_, err := fmt.Fprintln(stdout, versionLine())
			return err
		},
	}
}

// versionLine is what `bulkhead version` prints.
func versionLine() string {
	return "bulkhead " + version.String() + buildText() + " " + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH
}

// buildText is what tells builds of one version apart, in a sentence.
func buildText() string {
	if build := version.Build(); build != "" {
		return " build " + build
	}
	return ""
}

// interruptible receives the signals that end a command in order, and those in also;
// stop gives them back their usual effect.
func interruptible(also ...os.Signal) (signals chan os.Signal, stop func()) {
	signals = make(chan os.Signal, 2)
	signal.Notify(signals, append(also, syscall.SIGINT, syscall.SIGTERM)...)
	return signals, func() { signal.Stop(signals) }
}
