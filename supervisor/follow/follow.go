package follow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bulkhead/internal/config"
	"bulkhead/internal/exitstatus"
	"bulkhead/internal/human"
	"bulkhead/internal/ownfile"
	"bulkhead/internal/pathname"
	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/campaign"
	"bulkhead/supervisor/control"
	"bulkhead/supervisor/report/repeats"
	"bulkhead/supervisor/rundir"
)

// maxReport bounds the text of a report that is printed.
const maxReport = 256 << 20

// lookAgain is how often is looked whether a supervisor is there again.
const lookAgain = 250 * time.Millisecond

func (r *Follower) say(format string, args ...any) {
	fmt.Fprintf(r.Stderr, "bulkhead: "+format+"\n", args...)
}

// Run asks for the job and shows how it goes, to its end, also when another supervisor goes on with it. The
// first of signals ends the job, and the second the call.
func (r *Follower) Run(ctx context.Context, signals <-chan os.Signal) error {
	call, cancel := context.WithCancel(ctx)
	defer cancel()
	watched := make(chan struct{})
	go func() { // ends with call
		defer close(watched)
		r.heed(call, cancel, signals)
	}()
	err := r.follow(call)
	cancel()
	<-watched
	return err
}

// Worst returns the exit status of the worst run whose report was printed.
func (r *Follower) Worst() uint32 { return r.worst }

func (r *Follower) follow(ctx context.Context) error {
	asked := false
	for {
		reached, err := r.call(ctx)
		asked = asked || reached
		switch gone := isGone(err); {
		case ctx.Err() != nil, !gone, !asked, r.Ask.GetDryRun():
			return r.result(err)
		case r.begun != nil && r.begun.GetJobId() == "": // of a version that does not tell
			return r.given(err)
		case r.lostAt.IsZero():
			r.lostAt = time.Now()
			r.say("the supervisor is gone; waiting for %s for one that goes on with the job%s",
				human.ExactDuration(r.Reconnect), r.where())
		case time.Since(r.lostAt) >= r.Reconnect:
			return r.given(err)
		}
		select {
		case <-time.After(lookAgain):
		case <-ctx.Done():
			return r.given(ctx.Err())
		}
	}
}

// UnansweredError says that a supervisor did not answer as one does that runs a job.
type UnansweredError struct {
	Pid int
	Err error
}

// Error returns what the call came to.
func (e *UnansweredError) Error() string { return fmt.Sprintf("running the job: %v", e.Err) }

// isGone reports whether an error says that no supervisor is there, or not any more.
func isGone(err error) bool {
	return errors.Is(err, control.ErrNotRunning) || errors.Is(err, control.ErrNobody) ||
		status.Code(err) == codes.Unavailable
}

// given returns the error of a command that cannot wait longer.
func (r *Follower) given(err error) error {
	return fmt.Errorf("job %s: the supervisor is gone, and is not waited for any longer: %w%s", r.Job.Name, err,
		r.where())
}

// where returns where the run under way is to be found, for the end of a sentence.
func (r *Follower) where() string {
	if r.begun == nil || r.begun.GetNumber() <= r.shown {
		return ""
	}
	return fmt.Sprintf("; the clients of run %d of %d write on, and its report will be in %s", r.begun.GetNumber(),
		r.begun.GetOf(), r.begun.GetRunDir())
}

// call asks one supervisor for the job, or to go on telling of it, and shows what it tells. It reports
// whether there was one: what leads to another machine takes connections also if there is none.
func (r *Follower) call(ctx context.Context) (reached bool, err error) {
	c, err := r.Supervisor.Dial(ctx)
	if err != nil {
		return false, err
	}
	defer c.Close()
	r.connection.Store(c)
	defer r.connection.Store(nil)
	r.pid, reached = c.Pid, r.Supervisor.Socket == ""
	stream, err := c.RunJob(ctx, r.Ask)
	for err == nil {
		var e *bulkheadv1.JobEvent
		if e, err = stream.Recv(); err == nil {
			reached = true
			if !r.lostAt.IsZero() {
				r.say("%s goes on with the job", c)
				r.lostAt = time.Time{}
			}
			err = r.show(ctx, c, e)
		}
	}
	return reached, err
}

// result returns how the command ends whose call has ended so.
func (r *Follower) result(err error) error {
	switch status.Code(err) {
	case codes.OK, codes.Unknown:
		if !errors.Is(err, io.EOF) {
			return err
		}
	case codes.Unimplemented:
		return fmt.Errorf("%s is of an earlier version, which knows no jobs", control.Named(r.pid))
	case codes.FailedPrecondition, codes.NotFound:
		return fmt.Errorf("job %s: %s", r.Job.Name, status.Convert(err).Message())
	default:
		return &UnansweredError{Pid: r.pid, Err: err}
	}
	return nil
}

// show shows one event.
func (r *Follower) show(ctx context.Context, c *control.Client, e *bulkheadv1.JobEvent) error {
	switch e := e.GetEvent().(type) {
	case *bulkheadv1.JobEvent_Taken:
		r.is(e.Taken.GetJobId())
	case *bulkheadv1.JobEvent_Waits:
		r.say("waiting for %s", r.awaited(e.Waits))
	case *bulkheadv1.JobEvent_Versions:
		r.say("not all programs are of one version: %s", pathname.Printable(campaign.VersionsText(e.Versions)))
	case *bulkheadv1.JobEvent_Task:
		return r.showTask(e.Task)
	case *bulkheadv1.JobEvent_Begun:
		if r.begun.GetNumber() >= e.Begun.GetNumber() {
			return nil // it was told by the supervisor before
		}
		r.begun = e.Begun
		r.is(e.Begun.GetJobId())
		r.Ask = &bulkheadv1.RunJobRequest{JobId: e.Begun.GetJobId()} // never again from its first run on
		r.say("run %d of %d has begun: %s", e.Begun.GetNumber(), e.Begun.GetOf(), e.Begun.GetRunDir())
	case *bulkheadv1.JobEvent_Drained:
		r.say("the run is drained: %s", pathname.Printable(e.Drained))
	case *bulkheadv1.JobEvent_Ended:
		return r.showReport(ctx, c, e.Ended)
	case *bulkheadv1.JobEvent_Over:
		if dir := e.Over.GetJobDir(); dir != "" {
			return r.print(ctx, c, "what all runs came to together", filepath.Join(dir, repeats.TextFile),
				&bulkheadv1.TextRequest{JobId: r.Ask.GetJobId()})
		}
	}
	return nil
}

// is takes note of the job's id.
func (r *Follower) is(id string) {
	r.Ask = &bulkheadv1.RunJobRequest{JobId: id, Job: r.Ask.GetJob(), WaitNano: r.Ask.GetWaitNano()}
	r.jobID.Store(&id)
}

// showReport prints the report of a run that is over, once.
func (r *Follower) showReport(ctx context.Context, c *control.Client, run *bulkheadv1.JobRun) error {
	if run.GetNumber() <= r.shown {
		return nil
	}
	r.shown = run.GetNumber()
	r.worst = exitstatus.Worse(r.worst, run.GetExitStatus())
	return r.print(ctx, c, fmt.Sprintf("run %d of %d", run.GetNumber(), run.GetOf()),
		filepath.Join(run.GetRunDir(), rundir.TextReport), &bulkheadv1.TextRequest{RunId: run.GetRunId()})
}

// print prints a report on stdout, as the supervisor has it. One that ends, or is of a version that tells
// of none, has its file, unless that is on another machine. It belongs to its user, who may be another one.
func (r *Follower) print(ctx context.Context, c *control.Client, what, path string,
	ask *bulkheadv1.TextRequest) error {
	some, err := r.copyText(ctx, c, ask)
	if err == nil || some || ctx.Err() != nil || errors.Is(err, errStdout) {
		return err
	}
	if r.Supervisor.Socket != "" {
		return r.missing(what, err)
	}
	text, err := ownfile.Peek(path)
	if err != nil {
		return r.missing(what, err)
	}
	defer text.Close() // read only
	_, err = io.Copy(r.Stdout, io.LimitReader(text, maxReport))
	return err
}

// errStdout says that the text cannot be printed.
var errStdout = errors.New("printing a report")

// copyText prints a text that the supervisor has, and reports whether some of it was.
func (r *Follower) copyText(ctx context.Context, c *control.Client, ask *bulkheadv1.TextRequest) (bool, error) {
	stream, err := c.Text(ctx, ask)
	if err != nil {
		return false, err
	}
	for printed := 0; printed <= maxReport; {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return true, nil
		}
		if err != nil {
			return printed > 0, err
		}
		if _, err := r.Stdout.Write(part.GetText()); err != nil {
			return true, fmt.Errorf("%w: %w", errStdout, err)
		}
		printed += len(part.GetText())
	}
	return true, nil
}

// missing says that there is no report.
func (r *Follower) missing(what string, err error) error {
	if s, ok := status.FromError(err); ok {
		err = errors.New(s.Message())
	}
	r.say("%s: there is no report: %v", what, err)
	r.worst = exitstatus.Failure
	return nil
}

// awaited returns for whom the job waits.
func (r *Follower) awaited(waits *bulkheadv1.JobWaits) string {
	var whom []string
	for _, k := range waits.GetEntries() {
		if int(k) >= len(r.Job.Clients) {
			continue
		}
		if e := r.Job.Clients[k]; e.Agents > 1 {
			whom = append(whom, fmt.Sprintf("%d agents on %s", e.Agents, e.On))
		} else {
			whom = append(whom, "an agent on "+e.On.String())
		}
	}
	for _, name := range waits.GetAgents() {
		whom = append(whom, "agent "+pathname.Printable(name)+", which is away")
	}
	for _, name := range waits.GetBusy() {
		whom = append(whom, "agent "+pathname.Printable(name)+", whose client of the run before has not ended")
	}
	return strings.Join(whom, ", ")
}

// showTask shows what an agent says of its task. With --dry-run that is the result.
func (r *Follower) showTask(t *bulkheadv1.JobTask) error {
	on := ""
	if k := int(t.GetEntry()); k < len(r.Job.Clients) {
		on = fmt.Sprintf("clients[%d] (line %d, on %s)", k, r.Job.Clients[k].Line, r.Job.Clients[k].On)
	}
	answer := protocol.Word(t.GetReport().GetState())
	if why := t.GetReport().GetDetail(); why != "" {
		answer += ": " + pathname.Printable(why)
	}
	if r.Ask.GetDryRun() {
		_, err := fmt.Fprintf(r.Stdout, "agent %s  %s  %s\n", pathname.Printable(t.GetAgent()), on, answer)
		return err
	}
	if r.begun != nil && t.GetReport().GetState() != bulkheadv1.TaskState_TASK_STATE_POSSIBLE {
		r.say("agent %s: %s", pathname.Printable(t.GetAgent()), answer)
	}
	return nil
}

// heed ends the job at the first signal, and this command at the second.
func (r *Follower) heed(ctx context.Context, cancel func(), signals <-chan os.Signal) {
	var asked sync.WaitGroup
	defer asked.Wait()
	for n := 0; ; n++ {
		select {
		case sig := <-signals:
			c, id := r.connection.Load(), r.jobID.Load()
			if n > 0 || c == nil || id == nil { // a dry run is no job that could be ended
				cancel()
				return
			}
			fmt.Fprintf(r.Stderr, "bulkhead: %s: the job ends; again to end this command at once\n", sig)
			asked.Go(func() { // ends with ctx at the latest
				if _, err := c.StopJob(ctx, &bulkheadv1.StopJobRequest{JobId: *id,
					Reason: "whoever ran the job has ended it"}); err != nil {
					cancel()
				}
			})
		case <-ctx.Done():
			return
		}
	}
}

// Follower follows one job.
type Follower struct {
	Supervisor control.Address
	Job        config.Job
	Ask        *bulkheadv1.RunJobRequest
	// Reconnect is how long a supervisor is waited for that is gone while the job runs.
	Reconnect time.Duration
	// Stdout receives the reports, and Stderr how it goes.
	Stdout, Stderr io.Writer

	connection atomic.Pointer[control.Client] // nil while there is none
	jobID      atomic.Pointer[string]         // nil while it is not known

	pid    int       // of the supervisor that was asked last; 0 if it is not known
	lostAt time.Time // since when the supervisor is gone; zero while it is there
	begun  *bulkheadv1.JobRun
	shown  uint32 // the number of the last run whose report was
	worst  uint32
}
