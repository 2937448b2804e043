package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"bulkhead/client/agent"
	"bulkhead/client/session"
	"bulkhead/internal/config"
	"bulkhead/internal/exitstatus"
	"bulkhead/internal/program"
	"bulkhead/internal/sink"
	"bulkhead/internal/version"
)

func agentCommand(stderr *sink.Sink) *cli.Command {
	keys := config.AgentKeys()
	return &cli.Command{
		Name:  "agent",
		Usage: "wait on a test machine for jobs, within what its owner allows",
		Description: `The agent dials in, as a client does, and waits for ever: across restarts and upgrades
of the supervisor, and losses of the network. Given a load it checks it here, against
--allow and --max-runtime, whatever the supervisor says; it runs a client for it, as a
process, says how that ended, and waits again. What comes from the supervisor is never a
command. SIGINT or SIGTERM asks a client that runs to end its load first; a second one
ends it at once.

Examples:
  bulkhead agent --supervisor 10.0.0.1:7420 --allow /mnt/under-test:500GiB
  bulkhead agent --supervisor 10.0.0.1:7420 --labels rack=a3 --allow /mnt/a:1TiB --max-runtime 2h`,
		Flags:        settingFlags(keys),
		OnUsageError: onUsageError,
		Action: func(ctx *cli.Context) error {
			return runAgent(ctx, keys, stderr)
		},
	}
}

func runAgent(ctx *cli.Context, keys []config.Key, stderr *sink.Sink) error {
	if err := noArguments(ctx); err != nil {
		return err
	}
	file, err := configFile(ctx)
	if err != nil {
		return err
	}
	set, err := config.LoadAgent(file, os.Environ(), overrides(ctx, keys))
	if err != nil {
		printUnknownVariables(stderr)
		return err
	}
	log := newLogger(set.Log, stderr)
	logUnknownVariables(log)
	cfg := agent.Config{
		Supervisor: set.Supervisor, TLS: set.TLS, TokenFile: set.TokenFile, Name: set.Name, Labels: set.Labels,
		Limits: agent.Limits{MaxRuntime: set.MaxRuntime}, Version: version.String(), Output: stderr, Logger: log,
	}
	if cfg.Name == "" {
		cfg.Name, _ = os.Hostname() // an empty name is refused
	}
	for _, a := range set.Allow {
		one, err := agent.Resolve(a)
		if err != nil {
			return fmt.Errorf("%w: %w", exitstatus.ErrConfig, err)
		}
		cfg.Limits.Allowances = append(cfg.Limits.Allowances, one)
	}
	for _, path := range []*string{&cfg.TokenFile, &cfg.TLS.CA, &cfg.TLS.Cert, &cfg.TLS.Key} {
		if *path != "" { // a client runs in another folder
			if *path, err = filepath.Abs(*path); err != nil {
				return err
			}
		}
	}
	if err := session.CheckFiles(cfg.TLS, cfg.TokenFile); err != nil {
		return fmt.Errorf("%w: %w", exitstatus.ErrConfig, err)
	}
	self, err := program.Running(false)
	if err != nil {
		return err
	}
	cfg.Program = self[0]
	if cfg.Folders, err = agent.OpenFolders(set.WorkDir); err != nil {
		return fmt.Errorf("%w: %w", exitstatus.ErrConfig, err)
	}
	defer cfg.Folders.Close()
	signals, _, stop := interruptibleTwice()
	defer stop()
	waiting, end := context.WithCancel(ctx.Context)
	defer end()
	hurry, over := make(chan struct{}, 1), make(chan struct{})
	watched := make(chan struct{})
	go func() { // ends with over
		defer close(watched)
		for n := 0; ; n++ {
			select {
			case sig := <-signals:
				log.Info("agent is ending", "signal", sig.String())
				if end(); n > 0 {
					hurry <- struct{}{} // of two signals, so there is room
				}
			case <-over:
				return
			}
		}
	}()
	err = agent.Run(waiting, cfg, hurry)
	close(over)
	<-watched
	return err
}
