package campaign

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"bulkhead/internal/config"
	"bulkhead/internal/failpoint"
	"bulkhead/internal/pathname"
	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/fleet"
)

const (
	// answerPatience is how long an agent may take to answer whether it could, and awayPatience how
	// long one may be away before its client has come.
	answerPatience = 10 * time.Second
	awayPatience   = 30 * time.Second
	// endPatience is how long the end of a task is waited for when its run is over, before its client is
	// asked to end. That may take stopPatience: agents kill after two minutes what does not end, and remove
	// what it left. Behind the last run of a job lastPatience is waited.
	endPatience, stopPatience, lastPatience = 5 * time.Second, 150 * time.Second, 10 * time.Second
	// joinPatience is how long a client may take to come that its agent has started, where no gather says.
	joinPatience = 5 * time.Minute
	// lookEvery is how often is looked whether clients have come, and lookPace how often at most whether
	// anything has changed, whatever agents report.
	lookEvery = 200 * time.Millisecond
	lookPace  = 50 * time.Millisecond
	// mostTold is how often is told how a task is, and mostNamed how many agents one error names.
	mostTold, mostNamed = 16, 10
)

// errLeft says that a campaign is left to another supervisor.
var errLeft = errors.New("the supervisor ends or is upgraded")

// ErrNotNow is wrapped by an error of Supervisor.Begin that says that a run can be begun later.
var ErrNotNow = errors.New("no run can be begun now")

var errEndedBefore = errors.New("the job was ended before a run had begun")

// Run is a run of the supervisor's that was begun for a job.
type Run interface {
	ID() string
	Dir() string
	// Joined reports whether a client of this name has come.
	Joined(name string) bool
	// Joins makes durable that an agent joins the run.
	Joins(*bulkheadv1.JobClient) error
	// Latecomers returns the agents that have joined it, of a supervisor before this one too.
	Latecomers() []*bulkheadv1.JobClient
	// Drain ends the run, and not the supervisor.
	Drain(reason string, byOperator bool)
	// Over is closed when the run is over and reported; ExitStatus and EndedByOperator are for after that.
	Over() <-chan struct{}
	ExitStatus() uint32
	EndedByOperator() bool
}

// Supervisor is what a job needs of the supervisor that runs it.
type Supervisor struct {
	Fleet *fleet.Fleet
	// Version is the supervisor's.
	Version string
	// Since is when it started.
	Since time.Time
	// Begin begins a run that expects the clients of what is started. It calls note with the run's id
	// before anything of it is durable.
	Begin func(ctx context.Context, job *bulkheadv1.Job, started *bulkheadv1.JobStarted,
		note func(runID string) error) (Run, error)
}

// runner runs one job.
type runner struct {
	Supervisor
	tell func(*bulkheadv1.JobEvent)
	// stop receives why the job is to end.
	stop <-chan string
	// patient says that agents of which no entry says how many get a moment to come.
	patient bool
	// owned is closed when it is known whether whoever ran the job has come back; nil if nobody is
	// waited for.
	owned <-chan struct{}

	pace pace
}

// share is what one agent has to do.
type share struct {
	agent  fleet.Agent
	entry  int
	weight uint32 // how many consumers its load has
	task   *bulkheadv1.Task
	told   *bulkheadv1.TaskReport // the last that was told
	times  int                    // it was told
	sent   time.Time              // when the task was, for the first time
	sentOn int                    // on which of its connections it was sent the task
	joined bool                   // its client has come
	spent  bool                   // the task is not sent again
	late   bool                   // it came while the run went on
	stopOn int                    // on which of its connections it was asked to end the task, its run being over
}

// underWay is a run of a campaign that a supervisor before this one began.
type underWay struct {
	run     Run
	started *bulkheadv1.JobStarted
}

// do runs what is left of a job: the run that is under way, if there is one, and those after it. Its
// error is for a person: nothing was started, or no further run was; errLeft if ctx is done.
func (r *runner) do(ctx context.Context, k *kept, under *underWay, earlier *bulkheadv1.JobStarted) error {
	entries, err := entriesOf(k.job)
	if err != nil {
		return err
	}
	of := k.of()
	n := k.begun()
	if under != nil {
		if why := k.now().GetEnded(); why != "" {
			under.run.Drain(why, true)
		}
		shares := append(sharesOf(k.job, under.started.GetClients(), false),
			sharesOf(k.job, under.run.Latecomers(), true)...)
		setLoads(k.job, shares)
		if over, err := r.once(ctx, k, under.run, shares, n); over || err != nil {
			return err
		}
	}
	for n++; n <= of; n++ {
		if over, err := r.pause(ctx, k, n); over || err != nil {
			return err
		}
		shares, err := r.able(ctx, k.job, entries, time.Duration(k.now().GetWaitNano()), namesOf(earlier))
		if err != nil {
			return err
		}
		earlier = nil
		if k.now().GetEnded() != "" { // while the agents were asked
			return errEndedBefore
		}
		run, err := r.begin(ctx, k, shares, n)
		if err != nil {
			return err
		}
		failpoint.Hit("supervisor/job-begun")
		r.tell(&bulkheadv1.JobEvent{Event: &bulkheadv1.JobEvent_Begun{Begun: k.event(n, run.ID(), run.Dir())}})
		r.send(shares)
		if over, err := r.once(ctx, k, run, shares, n); over || err != nil {
			return err
		}
	}
	return nil
}

// begin begins run n. Whoever came in between holds up none but the first.
func (r *runner) begin(ctx context.Context, k *kept, shares []share, n uint32) (Run, error) {
	for {
		run, err := r.Begin(ctx, k.job, startedOf(k, shares, n), func(id string) error { return k.note(n, id) })
		if !errors.Is(err, ErrNotNow) || n == 1 && !r.patient {
			return run, err
		}
		select {
		case <-time.After(lookEvery):
		case <-r.stop:
			return nil, errEndedBefore
		case <-ctx.Done():
			return nil, errLeft
		}
	}
}

// pause waits until the next run may begin. over says that there is to be none.
func (r *runner) pause(ctx context.Context, k *kept, n uint32) (over bool, err error) {
	ended := error(nil)
	if n == 1 {
		ended = errEndedBefore
	} else {
		select {
		case <-time.After(time.Duration(k.job.GetPauseNano())):
		case <-r.stop:
			return true, nil
		case <-ctx.Done():
			return true, errLeft
		}
	}
	if r.owned != nil {
		select {
		case <-r.owned:
		case <-r.stop:
			return true, ended
		case <-ctx.Done():
			return true, errLeft
		}
	}
	switch now := k.now(); {
	case now.GetEnded() != "":
		return true, ended
	case now.GetLast() != "":
		return true, fmt.Errorf("%s; no further run is begun", now.GetLast())
	default:
		return false, nil
	}
}

// able waits for the agents that the job needs, and returns what each has to do when each has said that
// it could.
func (r *runner) able(ctx context.Context, j *bulkheadv1.Job, entries []config.JobEntry, wait time.Duration,
	before []string) ([]share, error) {
	shares, err := r.match(ctx, entries, wait, before)
	if err != nil {
		return nil, err
	}
	for i := range shares {
		shares[i].task.Job = j.GetName()
	}
	setLoads(j, shares)
	if v := versionsOf(r.Version, shares); v != nil {
		r.tell(&bulkheadv1.JobEvent{Event: &bulkheadv1.JobEvent_Versions{Versions: v}})
	}
	if err := r.couldAll(ctx, shares); err != nil {
		return nil, err
	}
	for i := range shares {
		shares[i].become(false)
	}
	return shares, nil
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
		entries = append(entries, config.JobEntry{Line: int(e.GetLine()), Agents: int(e.GetAgents()),
			On: config.JobTarget{All: e.GetAll(), Name: e.GetName(), Labels: e.GetLabels()}})
	}
	return entries, nil
}

// become gives the share's task an id of its own: it is one that the agent has not been sent.
func (s *share) become(checkOnly bool) {
	id := make([]byte, protocol.TaskIDBytes)
	rand.Read(id) // never fails
	s.task = &bulkheadv1.Task{TaskId: id, CheckOnly: checkOnly, ClientName: s.task.GetClientName(),
		Load: s.task.GetLoad(), Job: s.task.GetJob()}
	s.told, s.times, s.sent, s.sentOn, s.joined = nil, 0, time.Now(), 0, false
}

// send sends the tasks.
func (r *runner) send(shares []share) {
	for i := range shares {
		r.sendOne(&shares[i])
	}
}

// sendOne sends a task; an agent that has it reports of it again.
func (r *runner) sendOne(s *share) {
	if r.Fleet.Send(s.agent.ID,
		&bulkheadv1.SupervisorFrame{Frame: &bulkheadv1.SupervisorFrame_Task{Task: s.task}}) {
		s.sentOn = s.agent.Connections
	}
}

// look takes what agents have reported of their tasks since, and tells it. Tasks of agents that have
// connected since, and have not heard of theirs, are sent again, unless their client has come.
func (r *runner) look(shares []share) (changed <-chan struct{}) {
	r.pace.keep()
	agents, changed := r.Fleet.Agents()
	byID, byName := make(map[string]fleet.Agent, len(agents)), make(map[string]fleet.Agent, len(agents))
	for _, a := range agents {
		byID[a.ID] = a
		if a.Connected {
			byName[a.Name] = a
		}
	}
	for i := range shares {
		s := &shares[i]
		agent, known := byID[s.agent.ID]
		if s.agent.ID == "" { // of a supervisor before this one
			agent, known = byName[s.agent.Name]
			known = known && isStill(s.agent.Who, agent.Who)
		}
		if !known {
			s.agent.Connected = false
			continue
		}
		s.agent = agent
		report := s.agent.Task(s.task.GetTaskId())
		switch {
		case report == nil && s.agent.Reported && s.agent.Connections > s.sentOn && !s.joined && !s.spent:
			r.sendOne(s)
		case report != nil && !proto.Equal(report, s.told):
			s.told = report
			if s.times++; s.times > mostTold {
				continue
			}
			told := &bulkheadv1.JobTask{Agent: s.agent.Name, Entry: uint32(s.entry), Report: report}
			r.tell(&bulkheadv1.JobEvent{Event: &bulkheadv1.JobEvent_Task{Task: told}})
		}
	}
	return changed
}

// couldAll asks all agents whether they could, and returns who cannot.
func (r *runner) couldAll(ctx context.Context, shares []share) error {
	for i := range shares {
		shares[i].become(true)
		r.sendOne(&shares[i])
	}
	late := time.NewTimer(answerPatience)
	defer late.Stop()
	for {
		changed := r.look(shares)
		var open, no []string
		for _, s := range shares {
			switch s.told.GetState() {
			case bulkheadv1.TaskState_TASK_STATE_POSSIBLE:
			case bulkheadv1.TaskState_TASK_STATE_REFUSED:
				no = append(no, fmt.Sprintf("agent %s cannot: %s", s.agent.Name, detail(s.told)))
			default: // also what is no answer to what it was asked
				open = append(open, fmt.Sprintf("agent %s has not answered", s.agent.Name))
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
			return errLeft
		}
	}
}

// detail returns what an agent says of a task, for a line of others' words: it may say anything.
func detail(told *bulkheadv1.TaskReport) string {
	said := cmp.Or(strings.TrimSpace(told.GetDetail()), "it does not say why")
	return pathname.Printable(strings.ReplaceAll(said, "\n", "; "))
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

// isStill reports whether an agent is the one that had a name before, where that has proven who it is.
func isStill(was, is *bulkheadv1.Identity) bool {
	return was == nil || was.GetKind() == is.GetKind() && was.GetName() == is.GetName()
}
