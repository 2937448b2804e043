package supervisor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"bulkhead/internal/boottime"
	"bulkhead/internal/protocol"
	"bulkhead/internal/reason"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/door"
	"bulkhead/supervisor/fleet"
	"bulkhead/supervisor/identity"
	"bulkhead/supervisor/raw"
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
		r.shedClient(l, &answer{reason: bulkheadv1.Reason_REASON_OVERLOADED, text: r.scarceThreads().Why,
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
		Connection: hello.GetLastConnection() + 1, Supervisors: r.cfg.Peers,
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
			one.Task.TaskId = nil // a secret
		}
		clean(one.ProtoReflect())
		out = append(out, one)
	}
	return out
}
