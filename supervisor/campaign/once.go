package campaign

import (
	"context"
	"fmt"
	"time"

	"bulkhead/internal/config"
	"bulkhead/internal/exitstatus"
	"bulkhead/internal/failpoint"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/fleet"
)

// once follows a run of the job to its end. over says that it is the last.
func (r *runner) once(ctx context.Context, k *kept, run Run, shares []share, n uint32) (over bool, err error) {
	entries, err := entriesOf(k.job)
	if err != nil {
		return true, err
	}
	drained := false
	end := func(reason string, byOperator bool) {
		if drained {
			return
		}
		drained = true
		run.Drain(reason, byOperator) // which tells the clients that have come
		for i := range shares {
			if !run.Joined(shares[i].task.GetClientName()) {
				r.stopTask(&shares[i], reason)
				shares[i].spent = true
			}
		}
		r.tell(&bulkheadv1.JobEvent{Event: &bulkheadv1.JobEvent_Drained{Drained: reason}})
	}
	for ended := false; !ended; {
		for i := range shares {
			shares[i].joined = shares[i].joined || run.Joined(shares[i].task.GetClientName())
		}
		changed := r.look(shares)
		if why := given(k.job, shares); why != "" {
			end(why, false)
		}
		if k.job.GetJoinNow() && !drained {
			shares = r.latecomers(run, k.job, entries, shares)
		}
		select {
		case <-changed:
		case <-time.After(lookEvery):
		case reason := <-r.stop:
			end(reason, true)
		case <-ctx.Done():
			select {
			case <-run.Over(): // it is over, and the supervisor ends with it
				ended = true
			default:
				return true, errLeft
			}
		case <-run.Over():
			ended = true
		}
	}
	failpoint.Hit("supervisor/job-run-over")
	if run.ExitStatus() == exitstatus.Failure { // the supervisor's: the next one ends the run, or reports it
		return true, errLeft
	}
	for i := range shares { // a client that comes now would be one of another run
		s := &shares[i]
		if s.joined = s.joined || run.Joined(s.task.GetClientName()); !s.joined {
			r.stopTask(s, "the run is over")
		}
		s.spent = true
	}
	event := k.event(n, run.ID(), run.Dir())
	event.ExitStatus = run.ExitStatus()
	r.tell(&bulkheadv1.JobEvent{Event: &bulkheadv1.JobEvent_Ended{Ended: event}})
	over = drained || run.EndedByOperator() || n >= k.of()
	if over && k.now().GetStartedFor() { // the supervisor ends, and no other job is begun
		return true, nil
	}
	if err = r.awaitEnds(ctx, shares, over); over {
		return true, nil // also if the supervisor ends meanwhile
	}
	return false, err
}

// event returns what is told of a run.
func (k *kept) event(n uint32, id, dir string) *bulkheadv1.JobRun {
	return &bulkheadv1.JobRun{Number: n, Of: k.of(), RunId: id, RunDir: dir, JobId: k.id,
		JobDir: k.dir()}
}

// startedOf returns what is recorded of a run of a job: what the job is, and who does what.
func startedOf(k *kept, shares []share, n uint32) *bulkheadv1.JobStarted {
	started := &bulkheadv1.JobStarted{Name: k.job.GetName(), Text: k.job.GetText(), Number: n,
		Of: k.of(), JobId: k.id, FleetRate: k.job.GetFleetRate()}
	for _, s := range shares {
		started.Clients = append(started.Clients, s.client())
	}
	return started
}

// client returns a share as the journal has it.
func (s *share) client() *bulkheadv1.JobClient {
	return &bulkheadv1.JobClient{Agent: s.agent.Name, Client: s.task.GetClientName(), Entry: uint32(s.entry),
		TaskId: s.task.GetTaskId(), Identity: s.agent.Who, GivesId: s.agent.GivesIDs, Consumers: s.weight}
}

// sharesOf returns what agents had to do as the journal has it, be they late or not. Each is known by its name
// until it comes.
func sharesOf(j *bulkheadv1.Job, clients []*bulkheadv1.JobClient, late bool) []share {
	var shares []share
	for _, c := range clients {
		if int(c.GetEntry()) >= len(j.GetClients()) {
			continue
		}
		shares = append(shares, share{agent: fleet.Agent{Name: c.GetAgent(), Who: c.GetIdentity(), Since: time.Now()},
			sent: time.Now(), entry: int(c.GetEntry()), late: late,
			spent: len(c.GetTaskId()) == 0, // of a version that did not keep it
			task:  &bulkheadv1.Task{TaskId: c.GetTaskId(), ClientName: c.GetClient(), Job: j.GetName()}})
	}
	return shares
}

// namesOf returns the agents of a run.
func namesOf(started *bulkheadv1.JobStarted) []string {
	var names []string
	for _, c := range started.GetClients() {
		names = append(names, c.GetAgent())
	}
	return names
}

// latecomers asks agents that have come while the run goes on, and that an entry matches, whether they
// could, and lets those begin that can: no more, with all that have come and gone, than there can be
// agents at a time, as whoever comes under one name after the other would make them without end.
func (r *runner) latecomers(run Run, j *bulkheadv1.Job, entries []config.JobEntry, shares []share) []share {
	agents, _ := r.Fleet.Agents()
	known := make(map[string]bool, len(shares))
	for i := range shares {
		known[shares[i].agent.Name] = true
	}
	for _, a := range agents {
		if known[a.Name] || run.Joined(a.Name) || !a.Connected || !a.Reported || len(shares) >= fleet.Most {
			continue
		}
		mine := entryOf(entries, a)
		if mine < 0 {
			continue
		}
		shares = append(shares, share{agent: a, entry: mine, late: true,
			task: &bulkheadv1.Task{ClientName: a.Name, Job: j.GetName()}})
		s := &shares[len(shares)-1]
		setLoad(j, s, consumersOf(j, shares))
		s.become(true)
		r.sendOne(s)
	}
	for i := range shares {
		s := &shares[i]
		if !s.late || !s.task.GetCheckOnly() || s.told.GetState() != bulkheadv1.TaskState_TASK_STATE_POSSIBLE {
			continue
		}
		s.become(false)
		if run.Joins(s.client()) == nil { // else the run ends
			r.sendOne(s)
		}
	}
	return shares
}

// entryOf returns the one entry that an agent matches; below 0 for none, or several.
func entryOf(entries []config.JobEntry, a fleet.Agent) int {
	mine := -1
	for k, e := range entries {
		if !e.On.Matches(a.Name, a.Labels) {
			continue
		}
		if mine >= 0 {
			return -1
		}
		mine = k
	}
	return mine
}

// stopTask asks an agent to end its task.
func (r *runner) stopTask(s *share, reason string) {
	r.Fleet.Send(s.agent.ID, &bulkheadv1.SupervisorFrame{Frame: &bulkheadv1.SupervisorFrame_StopTask{
		StopTask: &bulkheadv1.StopTask{TaskId: s.task.GetTaskId(), Reason: reason}}})
}

// given returns why the run is to be given up, because a client is waited for in vain; "" if it is not: a
// gather that is to begin with those that are there goes on without the others.
func given(j *bulkheadv1.Job, shares []share) string {
	gathered := j.GetGatherTimeoutNano() > 0
	why := inVain(shares, gathered)
	if gathered && j.GetStartIfShort() {
		return ""
	}
	return why
}

// inVain returns why a client is waited for in vain; "" if none is. Of a run that is gathered the gather
// says for how long one may take that was started.
func inVain(shares []share, gathered bool) string {
	for i := range shares {
		s := &shares[i]
		if s.joined || s.late {
			continue
		}
		over := s.told.GetState() == bulkheadv1.TaskState_TASK_STATE_REFUSED ||
			s.told.GetState() == bulkheadv1.TaskState_TASK_STATE_ENDED
		in := "agent " + s.agent.Name + " has not brought its client"
		switch waited := time.Since(s.sent); {
		case over:
			return in + ": " + detail(s.told)
		case !s.agent.Connected && time.Since(s.agent.Since) >= awayPatience:
			return fmt.Sprintf("%s, and has been away for %s", in, awayPatience)
		case s.agent.Connected && s.told == nil && min(waited, time.Since(s.agent.Since)) >= awayPatience:
			return fmt.Sprintf("%s, and has said nothing of it for %s", in, awayPatience)
		case !gathered && waited >= joinPatience: // also if it comes and goes, and says nothing
			return fmt.Sprintf("%s within %s", in, joinPatience)
		}
	}
	return ""
}

// awaitEnds waits until the agents that are there have said that their tasks are over: the next run may
// begin then, or the next job. A client that is there long after its run, as one that was lost and does not
// know yet, is asked to end; behind the last run that is waited for a moment only.
func (r *runner) awaitEnds(ctx context.Context, shares []share, last bool) error {
	late := time.NewTimer(endPatience)
	defer late.Stop()
	for asked := false; ; {
		changed := r.look(shares)
		waits := &bulkheadv1.JobWaits{}
		for i := range shares {
			s := &shares[i]
			there := s.agent.Connected || time.Since(s.agent.Since) < returnsSoon
			if !there || s.told.GetState() != bulkheadv1.TaskState_TASK_STATE_RUNNING {
				continue
			}
			waits.Busy = append(waits.Busy, s.agent.Name)
			if (asked || !s.joined) && s.agent.Reported && s.stopOn != s.agent.Connections {
				r.stopTask(s, "its run is over")
				s.stopOn = s.agent.Connections
			}
		}
		if len(waits.GetBusy()) == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-time.After(lookEvery): // those that are away for long are not waited for
		case <-late.C:
			if asked {
				return nil
			}
			if asked = true; last {
				late.Reset(lastPatience)
				continue
			}
			late.Reset(stopPatience)
			r.tell(&bulkheadv1.JobEvent{Event: &bulkheadv1.JobEvent_Waits{Waits: waits}})
		case <-r.stop: // which the campaign has noted
			return nil
		case <-ctx.Done():
			return errLeft
		}
	}
}
