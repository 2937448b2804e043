package handler

import (
	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// outOfPlace returns why a frame is not for whoever sent it: an agent has no messages, and a client
// no tasks.
func (c *collector) outOfPlace(f *bulkheadv1.ClientFrame) *violation {
	switch {
	case c.agent && (c.work.intact.Data != nil || f.GetBatch() != nil || f.GetGoodbye() != nil):
		return broken(frameUnexpected, "an agent sent %s, which is a client's", c.frameName(f))
	case !c.agent && f.GetAgentReport() != nil:
		return broken(frameUnexpected, "a client sent an AgentReport, which is an agent's")
	}
	return nil
}

// agentReport checks an agent's report and keeps it for the supervisor, in place of the one before.
func (c *collector) agentReport(r *bulkheadv1.AgentReport) *violation {
	if wrong := protocol.CheckAgentReport(r); wrong != nil {
		return wrongField(wrong.Field, "%s", wrong.Text)
	}
	var s shortener
	for _, t := range r.GetTasks() {
		s.text("", &t.Detail, protocol.MaxTaskTextBytes)
	}
	c.relay.setReport(r)
	return nil
}
