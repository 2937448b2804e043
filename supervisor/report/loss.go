package report

import (
	"strings"

	"bulkhead/supervisor/journal"
)

// saysLoss says whether a cause is the supervisor's word that the journal lost what it had
// acknowledged.
func saysLoss(cause string) bool { return strings.Contains(cause, journal.LostAcknowledged) }

// judgeLoss says that the journal lost what was acknowledged, if any session or handler
// proves it: it had an acknowledgement of what is not there.
func (v *Verdict) judgeLoss(r *Report) {
	var proof []string
	proven := make(map[string]bool)
	for i := range r.Clients {
		if c := &r.Clients[i]; clientSaysLoss(c) {
			proven[c.Label] = true
			proof = append(proof, "client "+c.Label)
		}
	}
	for i := range r.Handlers {
		h := &r.Handlers[i]
		if (saysLoss(h.ConnectionEnd) || h.Exit != nil && saysLoss(h.Exit.Cause)) && !proven[h.Client] {
			proof = append(proof, "handler "+pidText(h.Pid))
		}
	}
	if len(proof) == 0 {
		return
	}
	what := "what they were told is durable"
	if len(proof) == 1 {
		what = "what it was told is durable"
	}
	if n := len(proof) - maxNamed; n > 1 {
		proof = append(proof[:maxNamed], count(uint64(n))+" more")
	}
	where := ""
	for i := range r.Run.Restarts {
		if t := &r.Run.Restarts[i]; t.TornMayBeAcknowledged {
			where = ": its damaged end was set aside at " + timeOfDay(r.Run.StartedAt, t.At)
		}
	}
	v.partial("%s, as %s had %s%s", journal.LostAcknowledged, strings.Join(proof, ", "), what, where)
}

func clientSaysLoss(c *Client) bool {
	if saysLoss(c.Cause) {
		return true
	}
	for i := range c.Connections {
		if saysLoss(c.Connections[i].DetachCause) {
			return true
		}
	}
	return false
}
