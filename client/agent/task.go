package agent

import (
	"encoding/hex"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"bulkhead/internal/failpoint"
	"bulkhead/internal/human"
	"bulkhead/internal/pathname"
	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// task is one task. The agent's mu guards it.
type task struct {
	report *bulkheadv1.TaskReport
	client *client // nil unless one runs
}

// stop asks the task's client to end: in order, or at once.
func (t *task) stop(reason string, hurry bool) {
	if t.client != nil {
		t.client.stop(reason, hurry)
	}
}

// report returns how the tasks are.
func (a *agent) report() *bulkheadv1.AgentReport {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := &bulkheadv1.AgentReport{}
	for _, t := range a.tasks {
		out.Tasks = append(out.Tasks, proto.CloneOf(t.report))
	}
	return out
}

// tellChange has the supervisor told of a change.
func (a *agent) tellChange() {
	select {
	case a.changed <- struct{}{}:
	default:
	}
}

// take checks a task and begins it.
func (a *agent) take(ask *bulkheadv1.Task) {
	defer a.tellChange()
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(ask.GetTaskId()) != protocol.TaskIDBytes {
		a.sayRefused(ask, refuse(bulkheadv1.TaskRefusal_TASK_REFUSAL_TASK_INVALID, "it has no id; it is ignored"))
		return
	}
	busy := false
	for _, t := range a.tasks {
		if string(t.report.GetTaskId()) == string(ask.GetTaskId()) {
			return // it is reported again
		}
		busy = busy || t.client != nil
	}
	failpoint.Hit("agent/checking")
	t := &task{report: &bulkheadv1.TaskReport{TaskId: ask.GetTaskId()}}
	a.remember(t)
	needs, no := a.cfg.Limits.check(ask, a.left)
	switch {
	case no != nil:
	case a.ending:
		no = refuse(bulkheadv1.TaskRefusal_TASK_REFUSAL_ENDING, "the agent is ending")
	case busy:
		no = refuse(bulkheadv1.TaskRefusal_TASK_REFUSAL_BUSY, "the agent has a task already")
	case ask.GetCheckOnly():
		t.report.State = bulkheadv1.TaskState_TASK_STATE_POSSIBLE
		return
	default:
		no = a.begin(t, ask, &needs)
	}
	if no != nil {
		a.sayRefused(ask, no)
		t.report.State, t.report.Refusal = bulkheadv1.TaskState_TASK_STATE_REFUSED, no.why
		t.report.Detail = pathname.Clip(no.text, protocol.MaxTaskTextBytes)
	}
}

// sayRefused logs a refusal: of many in a short time some. a.mu is held.
func (a *agent) sayRefused(ask *bulkheadv1.Task, no *refusal) {
	if !a.said.may(time.Now()) {
		a.unsaid++
		return
	}
	said := []any{"job", pathname.Clip(ask.GetJob(), protocol.MaxJobBytes), "client",
		pathname.Clip(ask.GetClientName(), protocol.MaxNameBytes), "reason",
		pathname.Clip(no.text, protocol.MaxTaskTextBytes)}
	if a.unsaid > 0 {
		said = append(said, "not_logged_before", a.unsaid)
	}
	a.unsaid = 0
	a.log.Warn("a task is refused", said...)
}

// remember adds a task, in place of the oldest that is over if there are too many. a.mu is held.
func (a *agent) remember(t *task) {
	if len(a.tasks) == protocol.MaxTaskReports {
		at := 0
		for a.tasks[at].client != nil { // at most one has
			at++
		}
		a.tasks = append(a.tasks[:at:at], a.tasks[at+1:]...)
	}
	a.tasks = append(a.tasks, t)
}

// begin starts the client of a task. a.mu is held.
func (a *agent) begin(t *task, ask *bulkheadv1.Task, needs *need) *refusal {
	if !a.begins.may(time.Now()) {
		return refuse(bulkheadv1.TaskRefusal_TASK_REFUSAL_BUSY,
			"more than %d clients were begun in a short time; try again in a moment", beginBurst)
	}
	if kept := undelivered(a.clientDir()); kept >= mostUndelivered {
		return refuse(bulkheadv1.TaskRefusal_TASK_REFUSAL_NOT_STARTED,
			"earlier clients have left %s that they could not deliver in %s; deliver it by a resend, "+
				"or remove it", human.BriefSize(kept), pathname.Printable(a.clientDir()))
	}
	c, err := a.startClient(ask)
	if err != nil {
		return refuse(bulkheadv1.TaskRefusal_TASK_REFUSAL_NOT_STARTED, "the client cannot be started: %v", err)
	}
	t.client, t.report.State = c, bulkheadv1.TaskState_TASK_STATE_RUNNING
	log := a.log.With("task", hex.EncodeToString(ask.GetTaskId()[:4]), "job", ask.GetJob(), "client",
		ask.GetClientName())
	log.Info("task begins", "client_pid", c.pid())
	overdue := a.bound(c)
	a.running.Go(func() { // ends with the client, whose end is bounded once it is asked for
		end := c.wait()
		overdue()
		log.Info("task has ended", "how", end.text)
		a.sweep(needs, c.pid(), c.dir)
		a.mu.Lock()
		defer a.mu.Unlock()
		t.client = nil
		t.report.State = bulkheadv1.TaskState_TASK_STATE_ENDED
		t.report.ExitStatus, t.report.Signal = end.status, end.signal
		t.report.Detail = pathname.Clip(end.text, protocol.MaxTaskTextBytes)
		a.tellChange()
	})
	return nil
}

// bound asks a client to end that lives for longer than the owner of the machine allows: one that is held
// in a gather, or that verifies without end, has no runtime that is bounded. stop ends that.
func (a *agent) bound(c *client) (stop func()) {
	most := a.cfg.Limits.MaxRuntime
	if most == 0 {
		return func() {}
	}
	most += a.cfg.Overtime // a year and this at most
	timer := time.AfterFunc(most, func() {
		c.stop(fmt.Sprintf("it has lived for %s; the owner of this machine allows loads of %s",
			human.ExactDuration(most), human.ExactDuration(a.cfg.Limits.MaxRuntime)), false)
	})
	return func() { timer.Stop() }
}

// stopTask ends a task in order, if it runs. However often it is asked for: to end a client at once,
// which may leave files, is the owner's.
func (a *agent) stopTask(ask *bulkheadv1.StopTask) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, t := range a.tasks {
		if string(t.report.GetTaskId()) == string(ask.GetTaskId()) {
			t.stop(pathname.Clip(ask.GetReason(), protocol.MaxTaskTextBytes), false)
		}
	}
}
