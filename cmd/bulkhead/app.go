package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"bulkhead/client"
	"bulkhead/client/spec"
	"bulkhead/internal/config"
	"bulkhead/internal/exitstatus"
	"bulkhead/internal/pathname"
	"bulkhead/internal/results"
	"bulkhead/internal/sink"
	"bulkhead/internal/spelling"
	"bulkhead/internal/version"
	"bulkhead/supervisor/report/saved"
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

// errShown ends a command that has shown what was asked for, such as its version: no error.
var errShown = errors.New("shown")

// usageError is bad usage: exit status 64.
type usageError struct{ error }

// run runs the command line and returns its exit status.
func run(ctx context.Context, args []string, out, errs io.Writer) int {
	stdout, stderr := results.Of(out), sink.Of(errs)
	defer stderr.Flush() // gives up on a reader that takes nothing
	// Whoever reads the output may be gone first (Ctrl-C also ends the tee of a
	// pipeline); the load still ends in order and the report is still written.
	signal.Ignore(syscall.SIGPIPE)
	err := runApp(ctx, newApp(stdout, stderr), args)
	if lost := stdout.Lost(); lost != nil && (err == nil || errors.Is(err, errShown)) {
		err = fmt.Errorf("printing: %w", lost)
	}
	code := exitCode(err)
	if err != nil && !silent(err) {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			fmt.Fprintln(stderr, "bulkhead:", pathname.Printable(line))
		}
	}
	return code
}

// runApp runs a command line.
func runApp(ctx context.Context, app *cli.App, args []string) error {
	if len(args) > 0 && args[len(args)-1] == completionFlag { // of words that are not complete
		return app.RunContext(ctx, args)
	}
	line, err := readCommandLine(rootOf(app), args)
	if err != nil {
		return err
	}
	return app.RunContext(ctx, line.arguments())
}

// silent reports whether an error is no more than an exit status.
func silent(err error) bool {
	for _, quiet := range []error{errShown, errPartial, errCutShort, errSaid} {
		if errors.Is(err, quiet) {
			return true
		}
	}
	return false
}

// exitCode returns the exit status that stands for an error.
func exitCode(err error) int {
	var usage usageError
	var path *saved.PathError
	var problems config.Problems
	var file configError
	switch {
	case err == nil, errors.Is(err, errShown):
		return exitOK
	case errors.Is(err, errPartial):
		return exitPartial
	case errors.Is(err, errCutShort), errors.Is(err, client.ErrInterrupted):
		return exitInterrupted
	case errors.As(err, &usage), errors.As(err, &path):
		return exitUsage
	case errors.As(err, &problems), errors.As(err, &file), errors.Is(err, exitstatus.ErrConfig),
		errors.Is(err, spec.ErrConfig):
		return exitConfig
	default:
		return exitFailure
	}
}

func newApp(stdout *results.Stdout, stderr *sink.Sink) *cli.App {
	app := &cli.App{
		Name:  "bulkhead",
		Usage: "sustained storage load from many machines, and the truth about what happened",
		Description: `A supervisor collects what clients report. Clients write files in chunks and
roll over to the next file at a set size. Every client is served by an operating
system process of its own, so that nothing that goes wrong with one touches another.

Settings: a flag wins over the environment (BULKHEAD_…), the environment over the YAML
file, and the file over the default.

Exit status: 0 complete, 1 failure, 3 partial, 4 interrupted by an operator, 64 bad
usage, 78 bad configuration. 2 is never used: it means a crash.

Examples, on the collecting machine, on each test machine, and later or after a crash:
  bulkhead supervisor start --clients 3
  bulkhead client --supervisor 10.0.0.1:7420 --path /mnt/under-test
  bulkhead report bulkhead-state/runs/latest`,
		HideVersion:          true, // there is one for every command
		EnableBashCompletion: true,
		Writer:               stdout,
		ErrWriter:            stderr,
		ExitErrHandler:       func(*cli.Context, error) {}, // run decides
		OnUsageError:         onUsageError,
		Action:               needCommand,
		Commands: []*cli.Command{
			supervisorCommand(stdout, stderr),
			clientCommand(stdout, stderr),
			agentCommand(stderr),
			runCommand(stdout, stderr),
			reportCommand(stdout, stderr),
			journalCommand(stdout, stderr),
			verifyCommand(stdout),
			topCommand(stdout, stderr),
			certsCommand(stdout),
			tokenCommand(stdout),
			versionCommand(stdout),
			completionCommand(stdout),
			workerCommand(),
		},
	}
	root := rootOf(app)
	explain(root, root.Name, stdout)
	app.Flags, app.Commands, app.CustomAppHelpTemplate = root.Flags, root.Subcommands, root.CustomHelpTemplate
	return app
}

// rootOf returns an application as the command that all others are below.
func rootOf(app *cli.App) *cli.Command {
	return &cli.Command{
		Name: app.Name, Usage: app.Usage, Description: app.Description, Flags: app.Flags, Subcommands: app.Commands,
	}
}

func onUsageError(ctx *cli.Context, err error, _ bool) error {
	return usageError{fmt.Errorf("%w; see `%s --help`", err, commandName(ctx))}
}

// needCommand returns the error of a command that only holds others, which asks for one of them.
func needCommand(ctx *cli.Context) error {
	if ctx.NArg() > 0 {
		return notCommand(ctx.Command, commandName(ctx), rootOf(ctx.App), ctx.Args().First())
	}
	_ = cli.ShowSubcommandHelp(ctx) // to stdout; if that fails there is nobody to tell
	return usageError{fmt.Errorf("a command is missing; see above")}
}

// notCommand refuses a word that is no command below c.
func notCommand(c *cli.Command, called string, root *cli.Command, word string) error {
	return usageError{fmt.Errorf("%q is not a command; %ssee `%s --help`", word, commandMeant(c, called, root, word),
		called)}
}

// leastElsewhere is the shortest word, in bytes, that means a command of another place
// without being its exact name.
const leastElsewhere = 5

// commandMeant returns the command that a word most likely means, behind a command that has none
// of that name, as part of a sentence; "" if none is likely.
func commandMeant(c *cli.Command, called string, root *cli.Command, word string) string {
	var names, paths, last []string
	for _, sub := range c.Subcommands {
		if !sub.Hidden {
			names = append(names, sub.Name)
		}
	}
	if meant := spelling.Nearest(word, names); meant != "" {
		return "did you mean `" + called + " " + meant + "`? "
	}
	eachCommand(root, root.Name, func(c *cli.Command, called string) {
		paths, last = append(paths, called), append(last, c.Name)
	})
	elsewhere := word
	if len(word) >= leastElsewhere {
		elsewhere = spelling.Nearest(word, last)
	}
	if i := slices.Index(last, elsewhere); i > 0 {
		return "did you mean `" + paths[i] + "`? "
	}
	return ""
}

// noArguments refuses arguments that a command does not take.
func noArguments(ctx *cli.Context) error {
	if ctx.NArg() == 0 {
		return nil
	}
	called, word, meant := commandName(ctx), ctx.Args().First(), ""
	if len(ctx.Command.Subcommands) > 0 {
		meant = commandMeant(ctx.Command, called, &cli.Command{}, word)
	}
	return usageError{fmt.Errorf("unexpected argument %q; %ssee `%s --help`", word, meant, called)}
}

// commandName returns how the command is called, such as "bulkhead supervisor start".
func commandName(ctx *cli.Context) string {
	names := []string{}
	for _, c := range ctx.Lineage() {
		if c.Command != nil && c.Command.Name != "" && (len(names) == 0 || names[0] != c.Command.Name) {
			names = append([]string{c.Command.Name}, names...)
		}
	}
	return strings.Join(names, " ")
}

func versionCommand(stdout io.Writer) *cli.Command {
	return &cli.Command{
		Name:  "version",
		Usage: "print the version",
		Description: `The same as --version, which every command takes.

Example:
  bulkhead version`,
		OnUsageError: onUsageError,
		Action: func(ctx *cli.Context) error {
			if err := noArguments(ctx); err != nil {
				return err
			}
			_, err := fmt.Fprintln(stdout, version.Line("bulkhead"))
			return err
		},
	}
}
