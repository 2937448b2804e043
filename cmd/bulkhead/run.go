package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"bulkhead/internal/assertion"
	"bulkhead/internal/config"
	"bulkhead/internal/results"
	"bulkhead/internal/sink"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/control"
	"bulkhead/supervisor/follow"
	"bulkhead/supervisor/report/repeats"
	"bulkhead/supervisor/upgrade"
)

// How long agents are waited for, and a supervisor that has gone.
const (
	jobWait      = 30 * time.Second
	jobReconnect = 2 * time.Minute
	// jobStartWait is of a supervisor that is started for a job: agents may be started after it.
	jobStartWait = 5 * time.Minute
)

func runCommand(stdout *results.Stdout, stderr *sink.Sink) *cli.Command {
	return &cli.Command{
		Name:      "run",
		Usage:     "run a job on the agents of a running supervisor",
		ArgsUsage: "JOB.yaml",
		Description: `A job says which agents start a client, what each writes, and how often. The supervisor
was started with --keep-running. Every agent is asked first whether it could; a job of
which one cannot is not begun. The report of each run is printed when it is over, then
what all came to together, and the exit status is that of the worst. SIGINT or SIGTERM
ends the job in order, a second one ends this command at once; the run is drained in
either case. A supervisor that is upgraded, or killed and started again, goes on with
the job, and so does this command.

Examples:
  bulkhead run configs/jobs/nightly.yaml --state-dir /var/lib/bulkhead
  bulkhead run configs/jobs/nightly.yaml --dry-run
  bulkhead run configs/jobs/nightly.yaml --control /run/user/1000/collector.sock`,
		Flags: append(whichFlags(),
			&cli.BoolFlag{Name: "dry-run", Usage: "print which agent would get what, and if it could; run nothing"},
			waitFlag(jobWait),
			&cli.DurationFlag{Name: "reconnect", Value: jobReconnect,
				Usage: "how long to wait for the supervisor when it is gone while the job runs"}),
		OnUsageError: onUsageError,
		Action: func(ctx *cli.Context) error {
			return runJob(ctx, stdout, stderr)
		},
	}
}

// waitFlag returns the flag that says how long agents are waited for.
func waitFlag(usually time.Duration) cli.Flag {
	return &cli.DurationFlag{Name: "wait", Value: usually,
		Usage: "how long to wait for agents that the job needs and that are not connected"}
}

func runJob(ctx *cli.Context, stdout *results.Stdout, stderr *sink.Sink) error {
	if ctx.NArg() != 1 {
		return usageError{fmt.Errorf("give the file of one job; see `%s --help`", commandName(ctx))}
	}
	meant, err := supervisorMeant(ctx, stderr)
	if err != nil {
		return err
	}
	job, err := config.LoadJob(ctx.Args().First())
	if err != nil {
		return err
	}
	ask := jobRequest(job, ctx.Duration("wait"))
	ask.DryRun = ctx.Bool("dry-run")
	f := &follow.Follower{Supervisor: meant, Job: job, Ask: ask, Reconnect: ctx.Duration("reconnect"),
		Stdout: stdout, Stderr: stderr}
	signals, stop := interruptible()
	defer stop()
	err = f.Run(ctx.Context, signals)
	var unanswering *follow.UnansweredError
	if errors.As(err, &unanswering) {
		return unanswered(&control.Client{Pid: unanswering.Pid}, "running the job", unanswering.Err)
	}
	if err != nil {
		return err
	}
	switch f.Worst() {
	case exitOK:
		return nil
	case exitPartial:
		return errPartial
	case exitInterrupted:
		return errCutShort
	default:
		return errSaid
	}
}

// jobRequest returns a job as a supervisor is asked for it.
func jobRequest(j config.Job, wait time.Duration) *bulkheadv1.RunJobRequest {
	out := &bulkheadv1.Job{
		Name: j.Name, Repeat: uint32(j.Repeat), PauseNano: int64(j.Pause),
		GatherTimeoutNano: int64(j.Gather.Timeout), StartIfShort: j.Gather.IfShort == config.IfShortStart,
		Assertions: assertionTexts(j.Assert), Text: j.Text, JoinNow: j.Join == config.JoinNow,
	}
	if j.FleetRate != (config.Rate{}) {
		out.FleetRate = &bulkheadv1.FleetRate{BytesPerSecond: uint64(j.FleetRate.Bytes),
			ChunksPerSecond: j.FleetRate.Chunks}
	}
	for _, e := range j.Clients {
		out.Clients = append(out.Clients, &bulkheadv1.JobEntry{Line: uint32(e.Line), All: e.On.All, Name: e.On.Name,
			Labels: e.On.Labels, Load: e.Load.Text, Agents: uint32(e.Agents),
			Consumers: uint32(e.Load.Settings.ConsumerCount)})
	}
	return &bulkheadv1.RunJobRequest{Job: out, WaitNano: int64(wait)}
}

// assertionTexts returns what a job's runs must keep, as a supervisor takes it.
func assertionTexts(list []assertion.Assertion) []string {
	var texts []string
	for _, a := range list {
		texts = append(texts, a.String())
	}
	return texts
}

// jobFlags returns the flags of a supervisor that are no settings.
func jobFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "job", Usage: "run the job in `FILE` on the agents that come, and end with it"},
		waitFlag(jobStartWait),
		&cli.BoolFlag{Name: upgrade.PreflightFlag, Hidden: true},
	}
}

// jobMeant returns the job that a supervisor is started for; nil for none.
func jobMeant(ctx *cli.Context) (*bulkheadv1.RunJobRequest, error) {
	if !ctx.IsSet("job") {
		if ctx.IsSet("wait") {
			return nil, usageError{errors.New("--wait is how long the agents of a job are waited for; give --job, too")}
		}
		return nil, nil
	}
	for _, flag := range []string{"clients", "gather", "gather-if-short", "wait-clients", "assert", "keep-running"} {
		if ctx.IsSet(flag) {
			return nil, usageError{fmt.Errorf("--%s: with --job this is the job's to say, in its file", flag)}
		}
	}
	job, err := config.LoadJob(ctx.String("job"))
	if err != nil {
		return nil, err
	}
	return jobRequest(job, ctx.Duration("wait")), nil
}

// summaryResult returns the printing of what all runs of a job came to together, and of where it is.
func summaryResult(sum *repeats.Summary, dir string) results.Result {
	return results.Result{Lasting: filepath.Join(dir, repeats.TextFile), Print: func(w io.Writer) {
		if sum.WriteText(w) != nil {
			return // stdout is gone; the files are there
		}
		fmt.Fprintln(w)
		for _, f := range repeats.Kept() {
			fmt.Fprintln(w, filepath.Join(dir, f.Name))
		}
	}}
}
