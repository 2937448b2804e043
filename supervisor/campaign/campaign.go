package campaign

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"bulkhead/internal/config"
	"bulkhead/internal/job"
	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/fleet"
)

const (
	// answerPatience is how long an agent may take to answer whether it could, and awayPatience how
	// long one may be away before its client has come.
	answerPatience = 10 * time.Second
	awayPatience   = 30 * time.Second
	// endPatience is how long the end of a task is waited for when its run is over.
	endPatience = 15 * time.Second
	// returnsSoon is how long an agent that is away is taken for one that comes back at once.
	returnsSoon = 5 * time.Second
	// joinPatience is how long a client may take to come that its agent has started, where no gather says.
	joinPatience = 5 * time.Minute
	// lookEvery is how often is looked whether clients have come, and lookPace how often at most whether
	// anything has changed, whatever agents report.
	lookEvery = 200 * time.Millisecond
	lookPace  = 50 * time.Millisecond
	// mostTold is how often is told how a task is, and mostNamed how many agents one error names.
	mostTold, mostNamed = 16, 10
)

// Run is a run of the supervisor's that was begun for a job.
type Run interface {
	ID() string
	Dir() string
	// Joined reports whether a client of this name has come.
	Joined(name string) bool
	// Drain ends the run, and not the supervisor.
	Drain(reason string, byOperator bool)
	// Over is closed when the run is over and reported; ExitStatus is for after that.
	Over() <-chan struct{}
	ExitStatus() uint32
}

// Runner runs one job.
type Runner struct {
	Fleet *fleet.Fleet
	// Begin begins a run that expects the clients of what is started.
	Begin func(ctx context.Context, job *bulkheadv1.Job, started *bulkheadv1.JobStarted) (Run, error)
	// Tell tells how it goes on.
	Tell func(*bulkheadv1.JobEvent) error
	// Stop receives why the job is to end.
	Stop <-chan string

	pace pace
}

// share is what one agent has to do.
type share struct {
	agent fleet.Agent
	entry int
	task  *bulkheadv1.Task
	told  *bulkheadv1.TaskReport // the last that was told
	times int                    // it was told
	sent  time.Time              // when the task was
	came  bool                   // its client has
}

// Do runs the job, until ctx is done. Its error is for a person: nothing was started, or no further
// run was.
func (r *Runner) Do(ctx context.Context, ask *bulkheadv1.RunJobRequest) error {
	j := ask.GetJob()
	entries, err := entriesOf(j)
	if err != nil {
		return err
	}
	of := min(max(j.GetRepeat(), 1), config.MaxRepeat)
	for n := uint32(1); n <= of; n++ {
		shares, err := r.match(ctx, entries, time.Duration(ask.GetWaitNano()))
		if err != nil {
			return err
		}
		for i := range shares {
			shares[i].task.Load, shares[i].task.Job = j.GetClients()[shares[i].entry].GetLoad(), j.GetName()
		}
		if err := r.couldAll(ctx, shares); err != nil || ask.GetDryRun() {
			return err
		}
		stopped, err := r.once(ctx, j, shares, n, of)
		if err != nil || stopped || n == of {
			return err
		}
		select {
		case <-time.After(time.Duration(j.GetPauseNano())):
		case <-r.Stop:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// entriesOf returns a job's entries, checked.
func entriesOf(j *bulkheadv1.Job) (entries []config.JobEntry, err error) {
	if err := protocol.CheckName(j.GetName()); err != nil {
		return nil, fmt.Errorf("the job's name: %w", err)
	}
	if len(j.GetClients()) == 0 {
		return nil, errors.New("the job has no entries")
	}
	if n := len(j.GetClients()); n > config.MaxJobEntries {
		return nil, fmt.Errorf("the job has %d entries; at most %d are allowed", n, config.MaxJobEntries)
	}
	if n := len(j.GetText()); n > config.MaxFile {
		return nil, fmt.Errorf("the job's file has %d bytes; at most %d are allowed", n, config.MaxFile)
	}
	for i, e := range j.GetClients() {
		if n := len(e.GetLoad()); n > protocol.MaxLoadBytes {
			return nil, fmt.Errorf("clients[%d]: its load has %d bytes; at most %d are allowed", i, n,
				protocol.MaxLoadBytes)
		}
		entries = append(entries, config.JobEntry{Line: int(e.GetLine()),
			On: config.JobTarget{All: e.GetAll(), Name: e.GetName(), Labels: e.GetLabels()}})
	}
	return entries, nil
}

// match waits until each entry has an agent, and no agent that matches is away for a moment only.
func (r *Runner) match(ctx context.Context, entries []config.JobEntry, wait time.Duration) ([]share, error) {
	late := time.NewTimer(wait)
	defer late.Stop()
	var told *bulkheadv1.JobWaits
	var pace pace
	for {
		pace.keep()
		agents, changed := r.Fleet.Agents()
		shares, waits, err := matched(entries, agents, time.Now())
		if err != nil {
			return nil, err
		}
		if waits == nil {
			return shares, nil
		}
		if !proto.Equal(waits, told) {
			told = waits
			if err := r.Tell(&bulkheadv1.JobEvent{Event: &bulkheadv1.JobEvent_Waits{Waits: waits}}); err != nil {
				return nil, err
			}
		}
		select {
		case <-changed:
		case <-time.After(returnsSoon / 5): // those that are away for longer are given up
		case <-late.C:
			return nil, missing(entries, agents, waits)
		case <-r.Stop:
			return nil, errors.New("the job was ended before a run had begun")
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// matched returns who does what, or who is waited for.
func matched(entries []config.JobEntry, agents []fleet.Agent, now time.Time) ([]share, *bulkheadv1.JobWaits, error) {
	waits := &bulkheadv1.JobWaits{}
	var list []job.Agent
	var there []fleet.Agent
	for _, a := range agents {
		switch {
		case a.Connected && a.Reported:
			list, there = append(list, job.Agent{Name: a.Name, Labels: a.Labels}), append(there, a)
		case now.Sub(a.Since) < returnsSoon && slices.ContainsFunc(entries, func(e config.JobEntry) bool {
			return e.On.Matches(a.Name, a.Labels)
		}):
			waits.Agents = append(waits.Agents, a.Name)
		}
	}
	who, err := job.Match(entries, list)
	if err != nil {
		return nil, nil, err
	}
	for _, k := range who.Unmatched {
		waits.Entries = append(waits.Entries, uint32(k))
	}
	if len(waits.Entries)+len(waits.Agents) > 0 {
		return nil, waits, nil
	}
	var shares []share
	for i, entry := range who.Entry {
		if entry != job.None {
			shares = append(shares, share{agent: there[i], entry: entry,
				task: &bulkheadv1.Task{ClientName: there[i].Name}})
		}
	}
	return shares, nil, nil
}

// missing returns why a job has not the agents that it needs.
func missing(entries []config.JobEntry, agents []fleet.Agent, waits *bulkheadv1.JobWaits) error {
	var lines []string
	for _, k := range waits.GetEntries() {
		lines = append(lines, fmt.Sprintf("clients[%d] (line %d): no agent is on %s", k, entries[k].Line,
			entries[k].On))
	}
	for _, name := range waits.GetAgents() {
		lines = append(lines, fmt.Sprintf("agent %s is away", name))
	}
	var there []string
	for _, a := range agents {
		if a.Connected {
			there = append(there, a.Name)
		}
	}
	connected := "no agent is connected"
	if len(there) > 0 {
		more := ""
		if n := len(there) - mostNamed; n > 0 {
			there, more = there[:mostNamed], fmt.Sprintf(" and %d more", n)
		}
		connected = "connected are " + strings.Join(there, ", ") + more
	}
	return errors.New(strings.Join(append(lines, connected), "\n"))
}

// send sends the tasks, each with an id of its own.
func (r *Runner) send(shares []share, checkOnly bool) {
	for i := range shares {
		s := &shares[i]
		id := make([]byte, protocol.TaskIDBytes)
		rand.Read(id) // never fails
		s.task = &bulkheadv1.Task{TaskId: id, CheckOnly: checkOnly, ClientName: s.task.GetClientName(),
			Load: s.task.GetLoad(), Job: s.task.GetJob()}
		s.told, s.times, s.sent, s.came = nil, 0, time.Now(), false
		r.resend(s)
	}
}

// resend sends a task; an agent that has it reports of it again.
func (r *Runner) resend(s *share) {
	r.Fleet.Send(s.agent.ID, &bulkheadv1.SupervisorFrame{Frame: &bulkheadv1.SupervisorFrame_Task{Task: s.task}})
}

// look takes what agents have reported of their tasks since, and tells it. Tasks of agents that are
// connected and have not heard of theirs are sent again.
func (r *Runner) look(shares []share) (changed <-chan struct{}, err error) {
	r.pace.keep()
	agents, changed := r.Fleet.Agents()
	now := make(map[string]fleet.Agent, len(agents))
	for _, a := range agents {
		now[a.ID] = a
	}
	for i := range shares {
		s := &shares[i]
		agent, known := now[s.agent.ID]
		if !known {
			s.agent.Connected = false
			continue
		}
		came := agent.Connections > s.agent.Connections
		s.agent = agent
		report := s.agent.Task(s.task.GetTaskId())
		switch {
		case report == nil && came:
			r.resend(s)
		case report != nil && !proto.Equal(report, s.told):
			s.told = report
			if s.times++; s.times > mostTold {
				continue
			}
			told := &bulkheadv1.JobTask{Agent: s.agent.Name, Entry: uint32(s.entry), Report: report}
			err = cmp.Or(err, r.Tell(&bulkheadv1.JobEvent{Event: &bulkheadv1.JobEvent_Task{Task: told}}))
		}
	}
	return changed, err
}

// couldAll asks all agents whether they could, and returns who cannot.
func (r *Runner) couldAll(ctx context.Context, shares []share) error {
	r.send(shares, true)
	late := time.NewTimer(answerPatience)
	defer late.Stop()
	for {
		changed, err := r.look(shares)
		if err != nil {
			return err
		}
		var open, no []string
		for _, s := range shares {
			switch s.told.GetState() {
			case bulkheadv1.TaskState_TASK_STATE_UNSPECIFIED:
				open = append(open, fmt.Sprintf("agent %s has not answered", s.agent.Name))
			case bulkheadv1.TaskState_TASK_STATE_REFUSED:
				no = append(no, fmt.Sprintf("agent %s cannot: %s", s.agent.Name, s.told.GetDetail()))
			}
		}
		if len(open) == 0 && len(no) == 0 {
			return nil
		}
		if len(open) == 0 {
			return few(no)
		}
		select {
		case <-changed:
		case <-late.C:
			return few(append(no, open...))
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// few returns an error of as many lines as a person reads.
func few(lines []string) error {
	if n := len(lines) - mostNamed; n > 0 {
		lines = append(lines[:mostNamed], fmt.Sprintf("and so on, for %d more", n))
	}
	return errors.New(strings.Join(lines, "\n"))
}

// pace keeps whoever looks from doing nothing else. The zero value is ready.
type pace struct{ last time.Time }

// keep returns lookPace after it did so before, at the earliest.
func (p *pace) keep() {
	time.Sleep(lookPace - time.Since(p.last)) // not for anything to happen: a flood costs its sender
	p.last = time.Now()
}
