package campaign

import (
	"context"
	"fmt"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// once runs the job once. stopped says that it was ended from outside.
func (r *Runner) once(ctx context.Context, j *bulkheadv1.Job, shares []share, n, of uint32) (stopped bool, err error) {
	run, err := r.Begin(ctx, j, startedOf(j, shares, n, of))
	if err != nil {
		return false, err
	}
	about := &bulkheadv1.JobRun{Number: n, Of: of, RunId: run.ID(), RunDir: run.Dir()}
	// Whoever listens may be gone: then the run is drained, and its end is waited for all the same.
	failed := r.Tell(&bulkheadv1.JobEvent{Event: &bulkheadv1.JobEvent_Begun{Begun: about}})
	r.send(shares, false)
	end := func(reason string, byOperator bool) {
		if stopped {
			return
		}
		stopped = true
		run.Drain(reason, byOperator) // which tells the clients that have come
		for i := range shares {
			if !run.Joined(shares[i].task.GetClientName()) {
				r.stop(&shares[i], reason)
			}
		}
		_ = r.Tell(&bulkheadv1.JobEvent{Event: &bulkheadv1.JobEvent_Drained{Drained: reason}})
	}
	gone := ctx.Done()
	for over := false; !over; {
		changed, err := r.look(shares)
		if failed == nil {
			failed = err
		}
		if failed != nil {
			end("whoever ran the job is gone", true)
		}
		if why := given(j, shares, run); why != "" {
			end(why, false)
		}
		select {
		case <-changed:
		case <-time.After(lookEvery):
		case reason := <-r.Stop:
			end(reason, true)
		case <-gone:
			gone = nil
			end("whoever ran the job is gone", true)
		case <-run.Over():
			over = true
		}
	}
	r.awaitEnds(shares)
	ended := &bulkheadv1.JobRun{Number: n, Of: of, RunId: run.ID(), RunDir: run.Dir(), ExitStatus: run.ExitStatus()}
	return stopped, r.Tell(&bulkheadv1.JobEvent{Event: &bulkheadv1.JobEvent_Ended{Ended: ended}})
}

// startedOf returns what is recorded of a run of a job: what the job is, and who does what.
func startedOf(j *bulkheadv1.Job, shares []share, n, of uint32) *bulkheadv1.JobStarted {
	started := &bulkheadv1.JobStarted{Name: j.GetName(), Text: j.GetText(), Number: n, Of: of}
	for _, s := range shares {
		started.Clients = append(started.Clients, &bulkheadv1.JobClient{Agent: s.agent.Name,
			Client: s.task.GetClientName(), Entry: uint32(s.entry), Identity: s.agent.Who})
	}
	return started
}

// stop asks an agent to end its task.
func (r *Runner) stop(s *share, reason string) {
	r.Fleet.Send(s.agent.ID, &bulkheadv1.SupervisorFrame{Frame: &bulkheadv1.SupervisorFrame_StopTask{
		StopTask: &bulkheadv1.StopTask{TaskId: s.task.GetTaskId(), Reason: reason}}})
}

// given returns why the run is to be given up, because a client is waited for in vain; "" if it is not: a
// gather that is to begin with those that are there goes on without the others.
func given(j *bulkheadv1.Job, shares []share, run Run) string {
	gathered := j.GetGatherTimeoutNano() > 0
	why := inVain(shares, run, gathered)
	if gathered && j.GetStartIfShort() {
		return ""
	}
	return why
}

// inVain returns why a client is waited for in vain; "" if none is. Of a run that is gathered the gather
// says for how long one may take that was started.
func inVain(shares []share, run Run, gathered bool) string {
	for i := range shares {
		s := &shares[i]
		if s.came = s.came || run.Joined(s.task.GetClientName()); s.came {
			continue
		}
		over := s.told.GetState() == bulkheadv1.TaskState_TASK_STATE_REFUSED ||
			s.told.GetState() == bulkheadv1.TaskState_TASK_STATE_ENDED
		in := "agent " + s.agent.Name + " has not brought its client"
		switch waited := time.Since(s.sent); {
		case over:
			return in + ": " + s.told.GetDetail()
		case !s.agent.Connected && time.Since(s.agent.Since) >= awayPatience:
			return fmt.Sprintf("%s, and has been away for %s", in, awayPatience)
		case s.agent.Connected && s.told == nil && min(waited, time.Since(s.agent.Since)) >= awayPatience:
			return fmt.Sprintf("%s, and has said nothing of it for %s", in, awayPatience)
		case s.told != nil && !gathered && waited >= joinPatience:
			return fmt.Sprintf("%s within %s", in, joinPatience)
		}
	}
	return ""
}

// awaitEnds waits until the agents that are there have said that their tasks are over: the next run may
// begin then.
func (r *Runner) awaitEnds(shares []share) {
	late := time.NewTimer(endPatience)
	defer late.Stop()
	for {
		changed, _ := r.look(shares)
		open := false
		for _, s := range shares {
			there := s.agent.Connected || time.Since(s.agent.Since) < returnsSoon
			open = open || there && s.told.GetState() == bulkheadv1.TaskState_TASK_STATE_RUNNING
		}
		if !open {
			return
		}
		select {
		case <-changed:
		case <-time.After(lookEvery): // those that are away for long are not waited for
		case <-late.C:
			return
		}
	}
}
