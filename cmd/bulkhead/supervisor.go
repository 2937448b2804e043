package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"bulkhead/internal/config"
	"bulkhead/internal/version"
	"bulkhead/supervisor"
	"bulkhead/supervisor/journal"
	"bulkhead/supervisor/report"
)

func supervisorCommand(stdout, stderr io.Writer) *cli.Command {
	keys := config.SupervisorKeys()
	return &cli.Command{
		Name:         "supervisor",
		Usage:        "collect what clients report",
		OnUsageError: onUsageError,
		Action:       needCommand,
		Subcommands: []*cli.Command{
			{
				Name:  "start",
				Usage: "listen for clients, journal what they report, write the report",
				Description: `A run begins now. It ends when at least --clients distinct clients have joined,
every session has ended and nobody new came for --linger; then the report is printed
and written to STATE_DIR/runs/RUN-ID (runs/latest is the newest). SIGINT or SIGTERM
asks the clients to end their load first; a second one ends the run at once. The
report is written in every case.

Example: bulkhead supervisor start --listen 0.0.0.0:7420 --clients 3`,
				Flags:        settingFlags(keys),
				OnUsageError: onUsageError,
				Action: func(ctx *cli.Context) error {
					return startSupervisor(ctx, keys, stdout, stderr)
				},
			},
			statusCommand(stdout),
			drainCommand(stdout),
		},
	}
}

func startSupervisor(ctx *cli.Context, keys []config.Key, stdout, stderr io.Writer) error {
	if err := noArguments(ctx); err != nil {
		return err
	}
	file, err := configFile(ctx)
	if err != nil {
		return err
	}
	settings, err := config.LoadSupervisor(file, os.Environ(), overrides(ctx, keys))
	if err != nil {
		return err
	}
	signals, stop := interruptible()
	defer stop()
	cfg := supervisorConfig(settings)
	cfg.Logger = newLogger(settings.Log, stderr)
	cfg.Report = func(r *report.Report, dir string) { printReport(stdout, r, dir) }
	res, err := supervisor.Run(ctx.Context, cfg, signals)
	if err != nil {
		return err
	}
	if !res.Complete {
		return errPartial
	}
	return nil
}

// printReport prints a run's report and where it is.
func printReport(w io.Writer, r *report.Report, dir string) {
	if err := r.Text(w); err != nil {
		return // stdout is gone; the files are there
	}
	fmt.Fprintf(w, "\n%s\n%s\n", filepath.Join(dir, "report.txt"), filepath.Join(dir, "report.json"))
}

// supervisorConfig is the settings in the supervisor's own form.
func supervisorConfig(s config.Supervisor) supervisor.Config {
	sync := journal.SyncBatch
	if s.Journal.Sync == config.JournalSyncNone {
		sync = journal.SyncNone
	}
	return supervisor.Config{
		Listen: s.Listen, Clients: s.Clients, Linger: s.Linger, StateDir: s.StateDir, KeepRunning: s.KeepRunning,
		Token: s.Token, DrainTimeout: meant(s.DrainTimeout), Version: version.String(),
		Handler: supervisor.HandlerConfig{
			Path: s.Handler.Path, Pool: s.Handler.Pool, MemoryLimit: uint64(s.Handler.MemoryLimit),
			StartTimeout: s.Handler.StartTimeout, KillTimeout: s.Handler.KillTimeout,
		},
		Session: supervisor.SessionConfig{
			Grace: meant(s.Session.Grace), HelloTimeout: s.Session.HelloTimeout, ClientTimeout: s.Session.ClientTimeout,
			MaxFrame: uint32(s.Session.MaxFrame), MaxBatch: uint32(s.Session.MaxBatch), MaxUnackedBatches: uint32(s.Session.MaxUnackedBatches),
		},
		Journal: journal.Options{Sync: sync, SegmentBytes: int64(s.Journal.SegmentSize)},
	}
}
