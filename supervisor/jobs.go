package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"bulkhead/internal/config"
	"bulkhead/internal/config/value"
	"bulkhead/internal/exitstatus"
	"bulkhead/internal/ownfile"
	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/campaign"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/repeats"
	"bulkhead/supervisor/report/saved"
	"bulkhead/supervisor/rundir"
)

// Jobs: package campaign runs them, and has its runs from here.

// sumPatience is how long the next run is put off for the end of the job that has had its last.
const sumPatience = 5 * time.Second

// newDesk returns where jobs are taken.
func (s *Supervisor) newDesk() *campaign.Desk {
	d := campaign.NewDesk()
	d.Supervisor = campaign.Supervisor{Fleet: s.cfg.fleet, Version: s.cfg.Version, Since: time.Now(),
		Begin: s.beginJobRun}
	d.Store, d.Log = campaign.Store{Path: filepath.Join(s.cfg.StateDir, rundir.JobsFolder)}, s.cfg.Logger
	d.RunDir = func(id string) string { return filepath.Join(s.cfg.StateDir, rundir.RunsFolder, filepath.Base(id)) }
	d.Past = func(id string) campaign.Past { return pastOf(d.RunDir(id)) }
	d.Sum = s.sumJob
	return d
}

// jobs runs the jobs of the supervisor, the one first that a supervisor before it has left, until ctx is
// done.
func (s *Supervisor) jobs(ctx context.Context) {
	var wait sync.WaitGroup
	defer wait.Wait()
	taking := sync.OnceFunc(func() { close(s.taking) })
	defer taking()
	var first *run
	select {
	case first = <-s.first:
	case <-ctx.Done():
		return
	}
	order, err := s.desk.Resume(jobRun{first}, first.cfg.job, s.cfg.Job, s.cfg.Inherited != nil)
	if err != nil {
		s.cfg.Logger.Error("jobs that were left are not gone on with", "error", err)
	}
	s.order, s.orderErr = order, err
	if s.cfg.Job != nil {
		wait.Go(func() { // ends with the job, or with ctx
			if order != nil {
				select {
				case <-order.Done():
				case <-ctx.Done():
					return
				}
			}
			close(s.jobOver)
			s.askToDrain("the job is over")
		})
	}
	taking()
	s.desk.Run(ctx)
}

// endsWithJob reports whether a run was the last of the job that the supervisor was started for, and so
// the supervisor's.
func (s *Supervisor) endsWithJob(r *run) bool {
	if s.cfg.Job == nil || r.cfg.job == nil || r.cfg.job.GetNumber() < r.cfg.job.GetOf() {
		return false
	}
	late := time.NewTimer(sumPatience)
	defer late.Stop()
	select {
	case <-s.jobOver:
		return true
	case <-late.C: // it is told otherwise, then
		return false
	}
}

// jobResult returns how the job ended that the supervisor was started for: the verdict over its runs.
// All parts have stopped.
func (s *Supervisor) jobResult() (report.Word, error) {
	if s.order == nil {
		return report.WordInterrupted, s.orderErr // the supervisor ended before it was taken
	}
	worst, err := s.order.Result()
	word := report.WordComplete
	switch worst {
	case exitstatus.Complete:
	case exitstatus.Interrupted:
		word = report.WordInterrupted
	default:
		word = report.WordPartial
	}
	switch {
	case errors.Is(err, campaign.ErrEnded):
		return word.Worse(report.WordInterrupted), nil
	case err == nil && worst == exitstatus.Failure:
		err = errors.New("not all of its runs have a report")
	}
	if err != nil {
		err = fmt.Errorf("job %s: %w", s.cfg.Job.GetJob().GetName(), err)
	}
	return word, err
}

// sumJob writes into a job's folder what its runs came to together.
func (s *Supervisor) sumJob(dir string) error {
	sum, err := saved.Job(dir)
	if err != nil {
		return err
	}
	for _, f := range repeats.Kept() {
		if err := rundir.WriteWhole(filepath.Join(dir, f.Name), f.Writer(sum)); err != nil {
			return fmt.Errorf("writing %s: %w", f.Name, err)
		}
	}
	if s.cfg.JobReport != nil {
		s.cfg.JobReport(sum, dir)
	}
	return nil
}

// pastOf returns what is left of a run that is over.
func pastOf(dir string) campaign.Past {
	p := campaign.Past{Started: jobIn(filepath.Join(dir, rundir.JournalFolder)), ExitStatus: exitstatus.Failure}
	f, err := ownfile.Open(filepath.Join(dir, report.FileName), 0, 0)
	if err != nil {
		return p
	}
	defer f.Close() // read only
	var told struct{ Verdict struct{ Word report.Word } }
	if json.NewDecoder(f).Decode(&told) == nil {
		p.ExitStatus = exitStatusOf(runEnd{word: told.Verdict.Word})
	}
	return p
}

// ownersOf returns whose the names are of a job's clients: each is that of the agent that starts it, if
// that has proven who it is.
func ownersOf(j *bulkheadv1.JobStarted) map[string]*bulkheadv1.Identity {
	owners := make(map[string]*bulkheadv1.Identity)
	for _, c := range j.GetClients() {
		if c.GetIdentity() != nil {
			owners[c.GetClient()] = c.GetIdentity()
		}
	}
	return owners
}

// idsOf returns the client ids of a job's clients, by their names, as far as their agents give them.
func idsOf(j *bulkheadv1.JobStarted) map[string][]byte {
	ids := make(map[string][]byte)
	for _, c := range j.GetClients() {
		if c.GetGivesId() {
			ids[c.GetClient()] = protocol.TaskClientID(c.GetTaskId())
		}
	}
	return ids
}

// errMakesWay ends a run that nobody has come to, for that of a job.
var errMakesWay = errors.New("a job begins a run of its own")

// beginning asks for a run of a job's in place of the one that waits for clients.
type beginning struct {
	cfg   Config
	note  func(runID string) error // is called before anything of the run is durable
	began chan *run                // receives it; closed if there is none after all
	no    chan error
}

// jobEnd asks for the end of a job's run.
type jobEnd struct {
	reason     string
	byOperator bool
}

func (e jobEnd) cause() bulkheadv1.DrainCause {
	if e.byOperator {
		return bulkheadv1.DrainCause_DRAIN_CAUSE_OPERATOR
	}
	return bulkheadv1.DrainCause_DRAIN_CAUSE_JOB
}

// beginJobRun begins a run that expects the clients of what is started, and gathers as the job says.
func (s *Supervisor) beginJobRun(ctx context.Context, j *bulkheadv1.Job, started *bulkheadv1.JobStarted,
	note func(runID string) error) (campaign.Run, error) {
	cfg := s.cfg
	var clients []string
	for _, c := range started.GetClients() {
		clients = append(clients, c.GetClient())
	}
	var err error
	if cfg.Clients, err = value.NamedClients(clients); err != nil {
		return nil, err
	}
	cfg.Gather = config.Gather{Timeout: time.Duration(j.GetGatherTimeoutNano()), IfShort: config.IfShortAbort}
	if j.GetStartIfShort() {
		cfg.Gather.IfShort = config.IfShortStart
	}
	if cfg.Assert, err = assertionsOf(j.GetAssertions()); err != nil {
		return nil, err
	}
	cfg.WaitClients, cfg.KeepRunning, cfg.job = 0, false, started
	b := &beginning{cfg: cfg, note: note, began: make(chan *run, 1), no: make(chan error, 1)}
	select {
	case s.begins <- b:
	case <-ctx.Done():
		return nil, campaign.ErrLeft
	}
	select {
	case r, ok := <-b.began:
		if !ok {
			return nil, campaign.ErrEnded
		}
		return jobRun{r}, nil
	case err := <-b.no:
		return nil, err
	case <-ctx.Done():
		return nil, campaign.ErrLeft
	}
}

// notNow is a campaign.ErrNotNow.
type notNow struct{ error }

func (notNow) Is(target error) bool { return target == campaign.ErrNotNow }

// makesWay returns why a run cannot make way for that of a job; nil if it can.
func (o *operator) makesWay() error {
	switch {
	case o.draining:
		return errors.New("the supervisor is draining")
	case o.checks != nil:
		return notNow{errors.New("the supervisor is being upgraded")}
	case o.cfg.Journal.Run != "":
		return errors.New("the supervisor serves one run, as journal.run says, and no job")
	case !o.run.nobodyCame():
		return notNow{fmt.Errorf("run %s is under way; run the job when that is over", o.run.id)}
	default:
		return nil
	}
}

// jobRun is a run as a campaign.Run.
type jobRun struct{ r *run }

func (j jobRun) ID() string            { return j.r.id }
func (j jobRun) Dir() string           { return j.r.dir }
func (j jobRun) Over() <-chan struct{} { return j.r.reported }
func (j jobRun) ExitStatus() uint32    { return j.r.exitStatus }
func (j jobRun) EndedByOperator() bool { return j.r.byOperator }

func (j jobRun) Joined(name string) bool {
	for _, p := range j.r.processors() {
		if p.hello.GetName() == name {
			return true
		}
	}
	return false
}

// errRunEnds says that a run takes nobody any more.
var errRunEnds = errors.New("the run ends")

func (j jobRun) Joins(c *bulkheadv1.JobClient) error {
	j.r.joins(c)
	if !j.r.record(&bulkheadv1.Record{Entry: &bulkheadv1.Record_JobJoined{
		JobJoined: &bulkheadv1.JobJoined{Client: c}}}) {
		return errRunEnds
	}
	return nil
}

func (j jobRun) Latecomers() []*bulkheadv1.JobClient {
	j.r.mu.Lock()
	defer j.r.mu.Unlock()
	return slices.Clone(j.r.joined)
}

// joins lets an agent's client have a part in the run that comes while that goes on: nobody else has its name.
func (r *run) joins(c *bulkheadv1.JobClient) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.GetIdentity() != nil && r.owners[c.GetClient()] == nil { // else it is somebody's who was here before
		r.owners[c.GetClient()] = c.GetIdentity()
	}
	if c.GetGivesId() {
		r.ids[c.GetClient()] = protocol.TaskClientID(c.GetTaskId())
	}
	r.joined = append(r.joined, c)
	r.dividing.consumers[c.GetClient()] = max(c.GetConsumers(), 1)
}

func (j jobRun) Drain(reason string, byOperator bool) {
	select {
	case j.r.jobEnds <- jobEnd{reason, byOperator}:
	default: // it ends already
	}
}
