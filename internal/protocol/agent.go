package protocol

import (
	"fmt"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// checkAgent returns what is wrong with what an agent's Hello says of it; nil if nothing is.
func checkAgent(h *bulkheadv1.Hello) *Fault {
	a := h.GetAgent()
	switch {
	case h.GetName() != "":
		return wrong("name", "Hello.name is %q; that of an agent is empty, and Hello.agent has its name", h.GetName())
	case a.GetName() == "" || len(a.GetName()) > MaxNameBytes:
		return wrong("agent.name", "Hello.agent.name has %d bytes; it must have 1 to %d", len(a.GetName()),
			MaxNameBytes)
	case !Printable(a.GetName()):
		return wrong("agent.name", "Hello.agent.name %q has characters that cannot be printed", a.GetName())
	case len(a.GetAllowances()) > MaxAllowances:
		return wrong("agent.allowances", "Hello.agent has %d allowances; at most %d are allowed",
			len(a.GetAllowances()), MaxAllowances)
	}
	for _, one := range a.GetAllowances() {
		if n := len(one.GetPath()); n > MaxPathBytes {
			return wrong("agent.allowances.path", "Hello.agent: the path of an allowance has %d bytes; at most %d are "+
				"allowed", n, MaxPathBytes)
		}
	}
	return nil
}

// CheckAgentReport returns what is wrong with the form of an AgentReport; nil if nothing is. Its
// texts may be too long: those are cut.
func CheckAgentReport(r *bulkheadv1.AgentReport) *Fault {
	at := func(field, format string, args ...any) *Fault {
		return &Fault{"agent_report." + field, fmt.Sprintf(format, args...)}
	}
	if n := len(r.GetTasks()); n > MaxTaskReports {
		return at("tasks", "AgentReport has %d tasks; at most %d are allowed", n, MaxTaskReports)
	}
	for _, t := range r.GetTasks() {
		if n := len(t.GetTaskId()); n != TaskIDBytes {
			return at("tasks.task_id", "AgentReport: a task id has %d bytes; it must have %d", n, TaskIDBytes)
		}
	}
	return nil
}

// CheckTask returns what is wrong with the form of a Task; "" if nothing is.
func CheckTask(t *bulkheadv1.Task) string {
	switch {
	case len(t.GetTaskId()) != TaskIDBytes:
		return fmt.Sprintf("its id has %d bytes; it must have %d", len(t.GetTaskId()), TaskIDBytes)
	case CheckName(t.GetClientName()) != nil:
		return fmt.Sprintf("%.128q is no name of a client: %v", t.GetClientName(), CheckName(t.GetClientName()))
	case len(t.GetLoad()) > MaxLoadBytes:
		return fmt.Sprintf("its load has %d bytes; at most %d are allowed", len(t.GetLoad()), MaxLoadBytes)
	case len(t.GetJob()) > MaxJobBytes:
		return fmt.Sprintf("the name of its job has %d bytes; at most %d are allowed", len(t.GetJob()), MaxJobBytes)
	}
	return ""
}
