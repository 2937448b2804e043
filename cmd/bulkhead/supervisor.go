package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/urfave/cli/v2"

	"bulkhead/internal/child"
	"bulkhead/internal/config"
	"bulkhead/internal/ownfile"
	"bulkhead/internal/program"
	"bulkhead/internal/results"
	"bulkhead/internal/sink"
	"bulkhead/internal/version"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/render"
	"bulkhead/supervisor/report/repeats"
	"bulkhead/supervisor/upgrade"
)

func supervisorCommand(stdout *results.Stdout, stderr *sink.Sink) *cli.Command {
	keys := config.SupervisorKeys()
	return &cli.Command{
		Name:  "supervisor",
		Usage: "collect what clients report",
		Description: `One supervisor runs on the collecting machine, in a state directory of its own.

Examples:
  bulkhead supervisor start --listen 0.0.0.0:7420 --clients 3
  bulkhead supervisor status`,
		OnUsageError: onUsageError,
		Action:       needCommand,
		Subcommands: []*cli.Command{
			{
				Name:  "start",
				Usage: "listen for clients, journal what they report, write the report",
				Description: `A run begins now. It ends when at least --clients distinct clients have joined,
every session has ended and no new client came for --linger; then the report is printed
and written to STATE_DIR/runs/RUN-ID (runs/latest is the newest). SIGINT or SIGTERM
asks the clients to end their load first; a second one ends the run at once. The
report is always written. SIGHUP replaces the program in place, as
` + "`bulkhead supervisor upgrade`" + ` does.

Start a supervisor that was killed again with the same STATE_DIR: it resumes the run
where it was, with the clients still connected to their handlers.

With --job it runs the job on the agents that come, and ends with it, as ` + "`bulkhead run`" + `
does. Started again with the same job after it was killed, it goes on with the run that
was under way, and then does those that are left.

Examples:
  bulkhead supervisor start --listen 0.0.0.0:7420 --clients 3
  bulkhead supervisor start --config configs/supervisor.yaml --clients alpha,bravo
  bulkhead supervisor start --listen 0.0.0.0:7420 --job configs/jobs/nightly.yaml`,
				Flags:        append(settingFlags(keys), jobFlags()...),
				OnUsageError: onUsageError,
				Action: func(ctx *cli.Context) error {
					return startSupervisor(ctx, keys, stdout, stderr)
				},
			},
			statusCommand(stdout, stderr),
			drainCommand(stdout, stderr),
			upgradeCommand(stdout, stderr),
		},
	}
}

// ownersAlone is the umask under which files are their owner's alone.
const ownersAlone = 0o077

func startSupervisor(ctx *cli.Context, keys []config.Key, stdout *results.Stdout, stderr *sink.Sink) error {
	if err := noArguments(ctx); err != nil {
		return err
	}
	file, err := configFile(ctx)
	if err != nil {
		return err
	}
	settings, err := config.LoadSupervisor(file, os.Environ(), overrides(ctx, keys))
	if err != nil {
		if !ctx.Bool(upgrade.PreflightFlag) { // which is heard for its last words
			printUnknownVariables(stderr)
		}
		return err
	}
	cfg := supervisor.Config{Supervisor: settings, Version: version.String(), Build: version.Build()}
	if cfg.Job, err = jobMeant(ctx); err != nil {
		return err
	}
	cfg.Logger = newLogger(settings.Log, stderr)
	concealToken(cfg.Logger)
	if ctx.Bool(upgrade.PreflightFlag) {
		return printFitness(ctx.Context, cfg, stdout)
	}
	logUnknownVariables(cfg.Logger)
	warnOfToken(ctx, cfg.Logger)
	syscall.Umask(ownersAlone) // in its state directory everything is its user's, who can use all of it
	cfg.Spawner = true
	if cfg.Inherited, err = upgrade.Inherited(); err != nil {
		return err
	}
	if cfg.Program, err = program.Running(cfg.Inherited != nil); err != nil {
		return err
	}
	signals, stop := interruptible(syscall.SIGHUP)
	defer stop()
	asked, unheed := heedful()
	defer unheed()
	stderr.Miss(cfg.Inherited.LostLines())
	cfg.LostLines = stderr.Lost
	out := results.NewQueue(stdout, stderr, !cfg.KeepRunning && cfg.Job == nil)
	cfg.Report = func(r *report.Report, dir string) { out.Add(reportResult(r, dir)) }
	cfg.JobReport = func(sum *repeats.Summary, dir string) { out.Add(summaryResult(sum, dir)) }
	if block := blockFor(settings.Log, stderr); block != nil {
		cfg.Watch = func(ctx context.Context, status func(context.Context) *bulkheadv1.StatusResponse) {
			painter().Follow(ctx, block, status)
		}
	}
	endOrphans := child.EndOrphans(cfg.Logger)
	res, err := supervisor.Run(ctx.Context, cfg, signals)
	endOrphans()
	if res.Inheritance != nil && err == nil {
		out.Suspend(cfg.Logger)
		stderr.Flush()
		err = res.Inheritance.Exec(stderr.Hold())
		stderr.Resume()
		return err
	}
	stderr.Flush() // before the report, which may go to the same place
	out.Finish(signals, asked(), cfg.Logger)
	if err != nil {
		return err
	}
	return verdictError(res.Verdict)
}

// verdictError makes a command exit with the status of a verdict.
func verdictError(w report.Word) error {
	switch w {
	case report.WordComplete:
		return nil
	case report.WordInterrupted:
		return errCutShort
	default:
		return errPartial
	}
}

// printFitness reports whether this program could take the place of a running supervisor.
func printFitness(ctx context.Context, cfg supervisor.Config, stdout io.Writer) error {
	fit, err := supervisor.Preflight(ctx, cfg)
	if err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(fit)
}

// reportResult returns the printing of a run's report, and of where it is. The report is read
// from its file when its turn comes, so that it takes no memory while it waits for a slow reader;
// one that could not be written is kept.
func reportResult(r *report.Report, dir string) results.Result {
	file := filepath.Join(dir, render.Format{Form: render.FormText}.FileName())
	if info, err := os.Stat(file); err == nil && info.Size() > 0 {
		return results.Result{Lasting: file, Print: func(w io.Writer) {
			f, err := ownfile.Peek(file)
			if err != nil {
				fmt.Fprintf(w, "the report of %s is gone: %v\n", dir, err)
				return
			}
			defer f.Close() // read only
			_, err = io.Copy(w, f)
			printPlaces(w, dir, err)
		}}
	}
	return results.Result{Print: func(w io.Writer) { printPlaces(w, dir, render.Text(r, w)) }}
}

// printPlaces prints where a report is, unless it could not be printed.
func printPlaces(w io.Writer, dir string, err error) {
	if err != nil {
		return // stdout is gone; the files are there
	}
	fmt.Fprintln(w)
	for _, f := range render.Kept() {
		fmt.Fprintln(w, filepath.Join(dir, f.FileName()))
	}
}
