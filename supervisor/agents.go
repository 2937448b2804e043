package supervisor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"bulkhead/internal/boottime"
	"bulkhead/internal/config"
	"bulkhead/internal/config/value"
	"bulkhead/internal/exitstatus"
	"bulkhead/internal/protocol"
	"bulkhead/internal/reason"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/campaign"
	"bulkhead/supervisor/door"
	"bulkhead/supervisor/fleet"
	"bulkhead/supervisor/identity"
	"bulkhead/supervisor/raw"
	"bulkhead/supervisor/report"
)

// Agents. Their connections are served like those of clients, in the run that is open, but they are
// no sessions: they do not count, are not waited for, and nothing of them is journalled but their
// handlers. What is known of them is the fleet's, which outlives runs. At the end of a run they are
// told to connect again, which they do at once, and their tasks know nothing of it.

const (
	// retryAgentRun is when an agent should connect again whose run is over.
	retryAgentRun = 100 * time.Millisecond
	// retryAgent is when one should come again that is not let in now.
	retryAgent = 5 * time.Second
	// steadyAgent is how long an agent's connection lasts that is no bad sign when it is lost.
	steadyAgent = 5 * time.Second
	// reportPause is how long nothing more is taken from an agent after a report of its tasks. Of those
	// that it sends meanwhile, its handler keeps the newest.
	reportPause = 20 * time.Millisecond
)

// agentLine is a link as its agent's fleet.Line.
type agentLine struct{ l *link }

func (a agentLine) Put(f *bulkheadv1.SupervisorFrame) { a.l.send.put(f) }
func (a agentLine) Replace()                          { a.l.drop(errReplaced) }

// admitAgent lets an agent in, or tells it why not.
func (r *run) admitAgent(l *link, hello *bulkheadv1.Hello) {
	name := hello.GetAgent().GetName()
	l.settleElsewhere() // a run misses nothing by an agent that is refused
	credentials := r.cfg.credentials()
	if l.adopted && credentials.AsksCertificate() {
		l.finish(answer{code: codes.Unavailable, reason: bulkheadv1.Reason_REASON_CONNECTION_REFUSED,
			text: errUnsigned.Error() + "; connect again", retryAfter: retryUnproven})
		return
	}
	who, no := credentials.Who(l.verdict, hello.GetToken())
	if no != nil {
		r.refuseAgent(l, name, answer{code: codes.Unauthenticated, reason: no.Reason, text: no.Text})
		return
	}
	l.who = who
	if of, reserved := credentials.Reserved(name, who); reserved {
		r.refuseAgent(l, name, *wrongIdentity("the name %q is that of %s", name, of))
		return
	}
	known := r.cfg.fleet.Knows(hello.GetClientId())
	if away, _ := r.gate.Away(netip.Addr{}); !known && (l.ticket.OnlyReturns() || !r.pool.Spares(away)) {
		r.shedClient(l, &answer{reason: bulkheadv1.Reason_REASON_OVERLOADED, text: fewThreads.Why,
			retryAfter: door.RetryClients})
		return
	}
	if wrong := protocol.CheckNewName(name); wrong != nil { // its clients could not have the name
		r.refuseAgent(l, name, answer{code: codes.InvalidArgument, reason: bulkheadv1.Reason_REASON_FIELD_INVALID,
			about: map[string]string{reason.Field: wrong.Field}, text: wrong.Text})
		return
	}
	hello.Token = "" // it is for nobody else
	switch err := r.cfg.fleet.Join(hello, l.peer, who, agentLine{l}); {
	case errors.Is(err, fleet.ErrAnothers):
		r.refuseAgent(l, name, *wrongIdentity("%v", err))
		return
	case errors.Is(err, fleet.ErrNameTaken):
		r.refuseAgent(l, name, answer{code: codes.Unavailable, reason: bulkheadv1.Reason_REASON_CLIENT_ID_IN_USE,
			text: err.Error(), retryAfter: retryAgent})
		return
	case err != nil:
		r.refuseAgent(l, name, answer{code: codes.Unavailable, reason: bulkheadv1.Reason_REASON_OVERLOADED,
			text: err.Error(), retryAfter: retryAgent})
		return
	}
	l.agent = string(hello.GetClientId())
	l.log = l.log.With("agent", name)
	if hello.GetLastConnection() == 0 && !known {
		l.log.Info("agent has come", "host", hello.GetHost(), "identity", identity.Words(who))
	}
	now := time.Now()
	l.send.put(&bulkheadv1.SupervisorFrame{Frame: &bulkheadv1.SupervisorFrame_Welcome{Welcome: &bulkheadv1.Welcome{
		RunId: r.id, Limits: r.told(), WallClockUnixNano: now.UnixNano(), ElapsedNano: boottime.At(now),
		ProtocolVersion: protocol.Version, ProtocolMinor: protocol.Minor, SupervisorVersion: r.cfg.Version,
		Connection: hello.GetLastConnection() + 1,
	}}})
	if r.isOver() { // it may have ended after those that it had were told
		l.endOfRun()
	}
}

// refuseAgent tells an agent why it is not let in.
func (r *run) refuseAgent(l *link, name string, why answer) {
	l.log.Warn("agent is refused", "agent", name, "reason", why.text)
	l.finish(why)
}

// takeReport takes an agent's report of its tasks.
func (l *link) takeReport(ctx context.Context, r *run, told *bulkheadv1.AgentReport) {
	if !l.agentic.Load() {
		l.distrust(fmt.Errorf("%w: the handler sent an AgentReport of what is no agent", raw.ErrLied))
		return
	}
	if wrong := protocol.CheckAgentReport(told); wrong != nil {
		l.distrust(fmt.Errorf("%w: the handler sent an AgentReport that no agent may send: %s", raw.ErrLied,
			wrong.Text))
		return
	}
	if l.agent == "" {
		return // it was refused, and is being told
	}
	for _, t := range told.GetTasks() {
		t.Detail = clipped(t.GetDetail())
	}
	r.cfg.fleet.Report(l.agent, agentLine{l}, told)
	pause(ctx, reportPause)
}

// endOfRun tells an agent to connect again, in the next run.
func (l *link) endOfRun() {
	l.finish(answer{code: codes.Unavailable, reason: bulkheadv1.Reason_REASON_RUN_CHANGING,
		text: "the run is over; connect again", retryAfter: retryAgentRun})
}

// sendAgentsOn tells all agents of the run to connect again.
func (r *run) sendAgentsOn() {
	r.mu.Lock()
	r.over = true
	var agents []*link
	for l := range r.links {
		if l.agentic.Load() {
			agents = append(agents, l)
		}
	}
	r.mu.Unlock()
	for _, l := range agents {
		l.endOfRun()
	}
}

// isOver reports whether the run's agents were told to connect again.
func (r *run) isOver() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.over
}

// agentStatus returns what status shows of the agents.
func (s *Supervisor) agentStatus() (out []*bulkheadv1.AgentStatus) {
	agents, _ := s.cfg.fleet.Agents()
	for _, a := range agents {
		one := &bulkheadv1.AgentStatus{
			Name: a.Name, Host: a.Host, Allowances: a.Allowances, MaxRuntimeNano: int64(a.MaxRuntime),
			Version: a.Version, Peer: a.Peer, Away: !a.Connected, SinceNano: max(int64(time.Since(a.Since)), 1),
			Connections: uint32(a.Connections),
		}
		for _, key := range slices.Sorted(maps.Keys(a.Labels)) {
			one.Labels = append(one.Labels, key+"="+a.Labels[key])
		}
		if n := len(a.Tasks); n > 0 {
			one.Task = proto.CloneOf(a.Tasks[n-1])
		}
		clean(one.ProtoReflect())
		out = append(out, one)
	}
	return out
}

// What a job needs of runs: see package campaign.

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

// errMakesWay ends a run that nobody has come to, for that of a job.
var errMakesWay = errors.New("a job begins a run of its own")

// beginning asks for a run of a job's in place of the one that waits for clients.
type beginning struct {
	cfg   Config
	began chan *run // receives it; closed if there is none after all
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
func (s *Supervisor) beginJobRun(ctx context.Context, j *bulkheadv1.Job,
	started *bulkheadv1.JobStarted) (campaign.Run, error) {
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
	b := &beginning{cfg: cfg, began: make(chan *run, 1), no: make(chan error, 1)}
	select {
	case s.begins <- b:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	select {
	case r, ok := <-b.began:
		if !ok {
			return nil, errors.New("the supervisor is ending")
		}
		return jobRun{r}, nil
	case err := <-b.no:
		return nil, err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// makesWay returns why a run cannot make way for that of a job; nil if it can.
func (o *operator) makesWay() error {
	switch {
	case o.draining:
		return errors.New("the supervisor is draining")
	case o.checks != nil:
		return errors.New("the supervisor is being upgraded")
	case !o.run.nobodyCame():
		return fmt.Errorf("run %s is under way; run the job when that is over", o.run.id)
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

func (j jobRun) Joined(name string) bool {
	for _, p := range j.r.processors() {
		if p.hello.GetName() == name {
			return true
		}
	}
	return false
}

func (j jobRun) Drain(reason string, byOperator bool) {
	select {
	case j.r.jobEnds <- jobEnd{reason, byOperator}:
	default: // it ends already
	}
}

// exitStatusOf returns the exit status of a supervisor that had one run alone.
func exitStatusOf(end runEnd) uint32 {
	switch {
	case end.err != nil:
		return exitstatus.Failure
	case end.word == report.WordComplete:
		return exitstatus.Complete
	case end.word == report.WordInterrupted:
		return exitstatus.Interrupted
	default:
		return exitstatus.Partial
	}
}

// RunJob implements the control API.
func (c *controlServer) RunJob(ask *bulkheadv1.RunJobRequest, stream bulkheadv1.ControlService_RunJobServer) error {
	s := c.supervisor
	if !s.cfg.KeepRunning {
		return status.Error(codes.FailedPrecondition,
			"this supervisor ends with its run; start one for jobs with --keep-running")
	}
	stop := make(chan string, 1)
	if !s.jobStop.CompareAndSwap(nil, &stop) {
		return status.Error(codes.FailedPrecondition, "another job is running; one runs at a time")
	}
	defer s.jobStop.Store(nil)
	r := campaign.Runner{Fleet: s.cfg.fleet, Begin: s.beginJobRun, Tell: stream.Send, Stop: stop}
	s.cfg.Logger.Info("job begins", "job", ask.GetJob().GetName(), "dry_run", ask.GetDryRun())
	err := r.Do(stream.Context(), ask)
	if err != nil {
		s.cfg.Logger.Warn("job has not been run to its end", "job", ask.GetJob().GetName(), "reason", err)
		return status.Error(codes.FailedPrecondition, err.Error())
	}
	s.cfg.Logger.Info("job is over", "job", ask.GetJob().GetName())
	return nil
}

// StopJob implements the control API.
func (c *controlServer) StopJob(_ context.Context, ask *bulkheadv1.StopJobRequest) (*bulkheadv1.StopJobResponse,
	error) {
	stop := c.supervisor.jobStop.Load()
	if stop == nil {
		return nil, status.Error(codes.FailedPrecondition, "no job is running")
	}
	select {
	case *stop <- cmp.Or(ask.GetReason(), "an operator asked for the end of the job"):
	default: // it was asked for already
	}
	return &bulkheadv1.StopJobResponse{}, nil
}
