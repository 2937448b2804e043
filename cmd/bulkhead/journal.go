package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"bulkhead/internal/results"
	"bulkhead/supervisor/cluster/access"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/remote"
	"bulkhead/supervisor/report/saved"
)

func journalCommand(stdout *results.Stdout, stderr io.Writer) *cli.Command {
	return &cli.Command{
		Name:  "journal",
		Usage: "look at the journal of a run",
		Description: `A journal is the durable record of a run, and the only source of its report.

It is in the folder of the run, or on an engine, which is NATS JetStream: see docs/cluster.md.

Examples:
  bulkhead journal check bulkhead-state/runs/latest
  bulkhead journal list nats://n1:4222,n2:4222,n3:4222`,
		OnUsageError: onUsageError,
		Action:       needCommand,
		Subcommands: []*cli.Command{
			{
				Name:      "check",
				Usage:     "check that a journal is whole and in order",
				ArgsUsage: "RUN_DIR|nats://HOST:PORT,…/RUN-ID",
				Description: `RUN_DIR is STATE_DIR/runs/RUN-ID, or the folder of a journal itself. Nothing is
changed, and the journal may be of a run that is still running.

Of a run on an engine the replica of each node that is named is read whole, too: a
damaged one is named, with the message. Name all nodes.

Exit status: 0 whole and in order, even if a crash cut the last record short: nothing
in that was ever acknowledged; 3 damaged, out of order, without records that the
run's report.json was made from, or with a checkpoint that is not what the records
say, or with a replica that is damaged or could not be read; 64 no journal there; 1 an
engine that cannot be reached. A checkpoint that no supervisor would use changes nothing.

Examples:
  bulkhead journal check bulkhead-state/runs/latest
  bulkhead journal check nats://n1:4222,n2:4222,n3:4222/20260730T101500Z-4f2a1b`,
				Flags:        append([]cli.Flag{&cli.BoolFlag{Name: "json", Usage: "print JSON"}}, engineFlags()...),
				OnUsageError: onUsageError,
				Action:       func(ctx *cli.Context) error { return checkJournal(ctx, stdout) },
			},
			{
				Name:      "export",
				Usage:     "make an ordinary run folder of a run on an engine",
				ArgsUsage: "nats://HOST:PORT,…/RUN-ID DIR",
				Description: `DIR gets the journal, the same bytes from whichever node it is read, and the report of a
run that is over. It is made when all of it is there, and must not be there before.
Damaged replicas are named, and one that is whole is read.

Exit status: 0 all is there; 1 not, or no replica is whole; 64 no such run.

Example:
  bulkhead journal export nats://n1:4222,n2:4222/20260730T101500Z-4f2a1b exported`,
				Flags:        engineFlags(),
				OnUsageError: onUsageError,
				Action:       func(ctx *cli.Context) error { return exportJournal(ctx, stdout, stderr) },
			},
			{
				Name:      "list",
				Usage:     "list the runs on an engine",
				ArgsUsage: "nats://HOST:PORT,…",
				Description: `STATE is begun; ended; or reported, once its supervisors have come to the same journal.
SIZE is what the run takes on each node.

Example:
  bulkhead journal list nats://n1:4222,n2:4222,n3:4222`,
				Flags:        append([]cli.Flag{&cli.BoolFlag{Name: "json", Usage: "print JSON"}}, engineFlags()...),
				OnUsageError: onUsageError,
				Action:       func(ctx *cli.Context) error { return listRuns(ctx, stdout) },
			},
			{
				Name:      "remove",
				Usage:     "remove a run from an engine",
				ArgsUsage: "nats://HOST:PORT,…/RUN-ID",
				Description: `All that the engine has of the run is gone then: export it before, if it is worth keeping.
Only a run that its supervisors have reported is removed, unless --force is given. The
user needs the right to remove streams, as journal-admin of configs/nats has.

Exit status: 0 it is gone; 1 it is not; 64 no such run.

Example:
  bulkhead journal remove nats://n1:4222,n2:4222,n3:4222/20260730T101500Z-4f2a1b`,
				Flags: append([]cli.Flag{&cli.BoolFlag{Name: "force", Aliases: []string{"f"},
					Usage: "remove it although it is not finished"}}, engineFlags()...),
				OnUsageError: onUsageError,
				Action:       func(ctx *cli.Context) error { return removeRun(ctx, stdout) },
			},
		},
	}
}

func checkJournal(ctx *cli.Context, stdout *results.Stdout) error {
	if ctx.NArg() != 1 {
		return usageError{
			fmt.Errorf("journal check takes one run directory, such as bulkhead-state/runs/latest; %d were given; "+
				"see `%s --help`", ctx.NArg(), commandName(ctx))}
	}
	if access.IsPlace(ctx.Args().First()) {
		return checkEngine(ctx, stdout)
	}
	found, err := saved.CheckJournal(ctx.Args().First())
	if err != nil {
		return err
	}
	show := found.Text
	if ctx.Bool("json") {
		show = found.JSON
	}
	if err := show(stdout); err != nil {
		return fmt.Errorf("printing what was found: %w", err)
	}
	if !found.Clean {
		return errPartial
	}
	return nil
}

// The flags of commands that read runs on an engine: those of a supervisor's settings that say the same.
const (
	credsFlag   = "journal-creds"
	caFlag      = "journal-tls-ca"
	certFlag    = "journal-tls-cert"
	keyFlag     = "journal-tls-key"
	monitorFlag = "journal-monitor"
)

// engineCategory is the title under which a help lists them.
const engineCategory = "of a run on an engine (nats://…)"

// engineFlags returns the flags that say how to come into an engine.
func engineFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: credsFlag, Category: engineCategory, EnvVars: []string{"BULKHEAD_JOURNAL_CREDS"},
			Usage: "`FILE` with the credentials of a user: a NATS .creds file, or the seed of an nkey"},
		&cli.StringFlag{Name: caFlag, Category: engineCategory, EnvVars: []string{"BULKHEAD_JOURNAL_TLS_CA"},
			Usage: "`FILE` with the CA of the nodes' certificates; nothing is said without TLS then"},
		&cli.StringFlag{Name: certFlag, Category: engineCategory, EnvVars: []string{"BULKHEAD_JOURNAL_TLS_CERT"},
			Usage: "`FILE` with a certificate of the user"},
		&cli.StringFlag{Name: keyFlag, Category: engineCategory, EnvVars: []string{"BULKHEAD_JOURNAL_TLS_KEY"},
			Usage: "`FILE` with its key"},
		&cli.StringFlag{Name: monitorFlag, Category: engineCategory, EnvVars: []string{"BULKHEAD_JOURNAL_MONITOR"},
			Usage: "`URL` where a node tells of itself, such as http://n1:8222; several with commas: they are asked " +
				"for the state of their replicas first"},
	}
}

// engineAt returns the engine that an argument is the address of.
func engineAt(ctx *cli.Context, address string) (*remote.Engine, access.Place, error) {
	place, err := access.Parse(address)
	if err != nil {
		return nil, place, usageError{err}
	}
	var monitors []string
	for m := range strings.SplitSeq(ctx.String(monitorFlag), ",") {
		if m != "" {
			monitors = append(monitors, m)
		}
	}
	e, err := remote.New(place, access.Key{Creds: ctx.String(credsFlag), CA: ctx.String(caFlag),
		Cert: ctx.String(certFlag), CertKey: ctx.String(keyFlag)}, monitors)
	if err != nil {
		return nil, place, configError{err}
	}
	return e, place, nil
}

// runAt returns the engine of an argument that must name a run in it.
func runAt(ctx *cli.Context, address string) (*remote.Engine, error) {
	e, place, err := engineAt(ctx, address)
	if err == nil && place.Run == "" {
		err = usageError{fmt.Errorf("%s names no run; see `bulkhead journal list --help` for those that are "+
			"there", place)}
	}
	return e, err
}

// configError is a file of a flag that cannot be used: exit status 78.
type configError struct{ error }

// engineError returns an error of package remote as what this command line says of it.
func engineError(err error) error {
	var absent *remote.NoRunError
	if errors.As(err, &absent) {
		return usageError{err}
	}
	return err
}

// rebuilt returns the report of the run in a folder, or in an engine.
func rebuilt(ctx *cli.Context, at string, stdout *results.Stdout, stderr io.Writer) (*report.Report, error) {
	if !access.IsPlace(at) {
		return saved.Rebuilt(at)
	}
	e, err := runAt(ctx, at)
	if err != nil {
		return nil, err
	}
	interrupted, stop := untilInterrupted(ctx.Context, stdout)
	defer stop()
	r, unseen, err := e.Report(interrupted)
	sayUnseen(unseen, err, stderr)
	return r, orInterrupted(interrupted, engineError(err))
}

// orInterrupted returns that a command was interrupted, if an error comes of that.
func orInterrupted(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return errInterrupted
	}
	return err
}

// sayUnseen says which nodes could not be asked, of a command that went on without them.
func sayUnseen(unseen []error, err error, stderr io.Writer) {
	if err != nil {
		return // it says so
	}
	for _, one := range unseen {
		fmt.Fprintln(stderr, "bulkhead: not asked:", strings.ReplaceAll(one.Error(), "\n", "; "))
	}
}

// checkEngine checks a run in an engine.
func checkEngine(ctx *cli.Context, stdout *results.Stdout) error {
	e, err := runAt(ctx, ctx.Args().First())
	if err != nil {
		return err
	}
	interrupted, stop := untilInterrupted(ctx.Context, stdout)
	defer stop()
	found, err := e.Check(interrupted)
	if err != nil {
		return orInterrupted(interrupted, engineError(err))
	}
	show := found.Text
	if ctx.Bool("json") {
		show = found.JSON
	}
	if err := show(stdout); err != nil {
		return fmt.Errorf("printing what was found: %w", err)
	}
	if !found.Clean {
		return errPartial
	}
	return nil
}

func exportJournal(ctx *cli.Context, stdout *results.Stdout, stderr io.Writer) error {
	if ctx.NArg() != 2 || ctx.Args().Get(1) == "" {
		return usageError{fmt.Errorf("journal export takes the address of a run and a folder to make, such as "+
			"nats://n1:4222/RUN-ID and RUN-ID; %d were given; see `%s --help`", ctx.NArg(), commandName(ctx))}
	}
	e, err := runAt(ctx, ctx.Args().First())
	if err != nil {
		return err
	}
	interrupted, stop := untilInterrupted(ctx.Context, stdout)
	defer stop()
	made, err := e.Export(interrupted, ctx.Args().Get(1))
	if err != nil {
		return orInterrupted(interrupted, engineError(err))
	}
	sayUnseen(made.Unseen, nil, stderr)
	for _, text := range made.Damage {
		fmt.Fprintln(stderr, "bulkhead:", text)
	}
	return made.Text(stdout)
}

func listRuns(ctx *cli.Context, stdout *results.Stdout) error {
	if ctx.NArg() != 1 {
		return usageError{fmt.Errorf("journal list takes the address of an engine, such as nats://n1:4222,n2:4222; "+
			"%d were given; see `%s --help`", ctx.NArg(), commandName(ctx))}
	}
	e, _, err := engineAt(ctx, ctx.Args().First())
	if err != nil {
		return err
	}
	interrupted, stop := untilInterrupted(ctx.Context, stdout)
	defer stop()
	list, err := e.List(interrupted)
	if err != nil {
		return orInterrupted(interrupted, engineError(err))
	}
	show := remote.WriteList
	if ctx.Bool("json") {
		show = remote.WriteListJSON
	}
	return show(list, stdout)
}

func removeRun(ctx *cli.Context, stdout *results.Stdout) error {
	if ctx.NArg() != 1 {
		return usageError{fmt.Errorf("journal remove takes the address of a run, such as nats://n1:4222/RUN-ID; %d "+
			"were given; see `%s --help`", ctx.NArg(), commandName(ctx))}
	}
	e, err := runAt(ctx, ctx.Args().First())
	if err != nil {
		return err
	}
	interrupted, stop := untilInterrupted(ctx.Context, stdout)
	defer stop()
	return orInterrupted(interrupted, engineError(e.Remove(interrupted, ctx.Bool("force"))))
}
