package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bulkhead/internal/assertion"
	"bulkhead/internal/config"
	"bulkhead/internal/ownfile"
	"bulkhead/internal/pathname"
	"bulkhead/internal/protocol"
	"bulkhead/internal/results"
	"bulkhead/internal/sink"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/control"
)

// maxReport bounds the text of a report that is printed.
const maxReport = 256 << 20

func runCommand(stdout *results.Stdout, stderr *sink.Sink) *cli.Command {
	return &cli.Command{
		Name:      "run",
		Usage:     "run a job on the agents of a running supervisor",
		ArgsUsage: "JOB.yaml",
		Description: `A job says which agents start a client, what each writes, and how often. The supervisor
was started with --keep-running. Every agent is asked first whether it could; a job of
which one cannot is not begun. The report of each run is printed when it is over, and
the exit status is that of the worst. SIGINT or SIGTERM ends the job in order, a second
one ends this command at once; the run is drained in either case.

Examples:
  bulkhead run configs/jobs/nightly.yaml --state-dir /var/lib/bulkhead
  bulkhead run configs/jobs/nightly.yaml --dry-run`,
		Flags: append(settingFlags(stateDirKeys()),
			&cli.BoolFlag{Name: "dry-run", Usage: "print which agent would get what, and if it could; run nothing"},
			&cli.DurationFlag{Name: "wait", Value: 30 * time.Second,
				Usage: "how long to wait for agents that the job needs and that are not connected"}),
		OnUsageError: onUsageError,
		Action: func(ctx *cli.Context) error {
			return runJob(ctx, stdout, stderr)
		},
	}
}

// jobRunner is one call of the command.
type jobRunner struct {
	job    config.Job
	dryRun bool
	stdout *results.Stdout
	stderr io.Writer
	begun  bool
	worst  uint32
}

func runJob(ctx *cli.Context, stdout *results.Stdout, stderr *sink.Sink) error {
	if ctx.NArg() != 1 {
		return usageError{fmt.Errorf("give the file of one job; see `%s --help`", commandName(ctx))}
	}
	settings, err := supervisorMeant(ctx, stderr)
	if err != nil {
		return err
	}
	job, err := config.LoadJob(ctx.Args().First())
	if err != nil {
		return err
	}
	c, err := control.Dial(ctx.Context, settings.StateDir)
	if err != nil {
		return err
	}
	defer c.Close()
	signals, stop := interruptible()
	defer stop()
	call, cancel := context.WithCancel(ctx.Context)
	defer cancel()
	watched := make(chan struct{})
	go func() { // ends with call
		defer close(watched)
		for n := 0; ; n++ {
			select {
			case sig := <-signals:
				if n > 0 {
					cancel()
					return
				}
				fmt.Fprintf(stderr, "bulkhead: %s: the job ends; again to end this command at once\n", sig)
				_, err := c.StopJob(call, &bulkheadv1.StopJobRequest{Reason: "whoever ran the job has ended it"})
				if err != nil {
					cancel()
				}
			case <-call.Done():
				return
			}
		}
	}()
	r := &jobRunner{job: job, dryRun: ctx.Bool("dry-run"), stdout: stdout, stderr: stderr}
	err = r.follow(call, c, ctx.Duration("wait"))
	cancel()
	<-watched
	return err
}

// follow asks for the job and shows how it goes.
func (r *jobRunner) follow(ctx context.Context, c *control.Client, wait time.Duration) error {
	stream, err := c.RunJob(ctx, &bulkheadv1.RunJobRequest{Job: jobOf(r.job), DryRun: r.dryRun, WaitNano: int64(wait)})
	for err == nil {
		var e *bulkheadv1.JobEvent
		if e, err = stream.Recv(); err == nil {
			err = r.show(e)
		}
	}
	switch status.Code(err) {
	case codes.OK, codes.Unknown:
		if !errors.Is(err, io.EOF) {
			return err
		}
	case codes.Unimplemented:
		return fmt.Errorf("supervisor pid %d is of an earlier version, which knows no jobs", c.Pid)
	case codes.FailedPrecondition:
		return fmt.Errorf("job %s: %s", r.job.Name, status.Convert(err).Message())
	default:
		return unanswered(c, "running the job", err)
	}
	switch r.worst {
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

// jobOf returns a job as a supervisor is asked for it.
func jobOf(j config.Job) *bulkheadv1.Job {
	out := &bulkheadv1.Job{
		Name: j.Name, Repeat: uint32(j.Repeat), PauseNano: int64(j.Pause),
		GatherTimeoutNano: int64(j.Gather.Timeout), StartIfShort: j.Gather.IfShort == config.IfShortStart,
		Assertions: assertionTexts(j.Assert), Text: j.Text,
	}
	for _, e := range j.Clients {
		out.Clients = append(out.Clients, &bulkheadv1.JobEntry{Line: uint32(e.Line), All: e.On.All, Name: e.On.Name,
			Labels: e.On.Labels, Load: e.Load.Text})
	}
	return out
}

// show shows one event.
func (r *jobRunner) show(e *bulkheadv1.JobEvent) error {
	say := func(format string, args ...any) { fmt.Fprintf(r.stderr, "bulkhead: "+format+"\n", args...) }
	switch e := e.GetEvent().(type) {
	case *bulkheadv1.JobEvent_Waits:
		var whom []string
		for _, k := range e.Waits.GetEntries() {
			if int(k) < len(r.job.Clients) {
				whom = append(whom, "an agent on "+r.job.Clients[k].On.String())
			}
		}
		for _, name := range e.Waits.GetAgents() {
			whom = append(whom, "agent "+pathname.Printable(name)+", which is away")
		}
		say("waiting for %s", strings.Join(whom, ", "))
	case *bulkheadv1.JobEvent_Task:
		return r.showTask(e.Task)
	case *bulkheadv1.JobEvent_Begun:
		r.begun = true
		say("run %d of %d has begun: %s", e.Begun.GetNumber(), e.Begun.GetOf(), e.Begun.GetRunDir())
	case *bulkheadv1.JobEvent_Drained:
		say("the run is drained: %s", pathname.Printable(e.Drained))
	case *bulkheadv1.JobEvent_Ended:
		r.worst = worseStatus(r.worst, e.Ended.GetExitStatus())
		// It belongs to the user of the supervisor, who may be another one.
		text, err := ownfile.Peek(filepath.Join(e.Ended.GetRunDir(), "report.txt"))
		if err != nil {
			say("run %d of %d has no report: %v", e.Ended.GetNumber(), e.Ended.GetOf(), err)
			r.worst = exitFailure
			return nil
		}
		defer text.Close()
		_, err = io.Copy(r.stdout, io.LimitReader(text, maxReport))
		return err
	}
	return nil
}

// showTask shows what an agent says of its task. With --dry-run that is the result.
func (r *jobRunner) showTask(t *bulkheadv1.JobTask) error {
	on := ""
	if k := int(t.GetEntry()); k < len(r.job.Clients) {
		on = fmt.Sprintf("clients[%d] (line %d, on %s)", k, r.job.Clients[k].Line, r.job.Clients[k].On)
	}
	answer := protocol.Word(t.GetReport().GetState())
	if why := t.GetReport().GetDetail(); why != "" {
		answer += ": " + pathname.Printable(why)
	}
	if r.dryRun {
		_, err := fmt.Fprintf(r.stdout, "agent %s  %s  %s\n", pathname.Printable(t.GetAgent()), on, answer)
		return err
	}
	if r.begun && t.GetReport().GetState() != bulkheadv1.TaskState_TASK_STATE_POSSIBLE {
		fmt.Fprintf(r.stderr, "bulkhead: agent %s: %s\n", pathname.Printable(t.GetAgent()), answer)
	}
	return nil
}

// worseStatus returns the worse of two exit statuses of runs.
func worseStatus(a, b uint32) uint32 {
	for _, worst := range []uint32{exitFailure, exitPartial, exitInterrupted} {
		if a == worst || b == worst {
			return worst
		}
	}
	return max(a, b)
}

// assertionTexts returns what a job's runs must keep, as a supervisor takes it.
func assertionTexts(list []assertion.Assertion) []string {
	var texts []string
	for _, a := range list {
		texts = append(texts, a.String())
	}
	return texts
}
