package judge

import (
	"strings"

	"bulkhead/internal/human"
	"bulkhead/supervisor/journal"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// judgeLoss adds that the journal lost what was acknowledged, if any session or handler
// proves it: it had an acknowledgement of what is not there.
func (v verdict) judgeLoss(r *report.Report) {
	var proof []string
	proven := make(map[string]bool)
	for i := range r.Clients {
		if c := &r.Clients[i]; c.LostAcknowledged {
			proven[c.Label] = true
			proof = append(proof, "client "+c.Label)
		}
	}
	for i := range r.Handlers {
		h := &r.Handlers[i]
		if h.LostAcknowledged && !proven[h.Client] {
			proof = append(proof, "handler "+words.Pid(h.Pid))
		}
	}
	if len(proof) == 0 {
		return
	}
	what := "what they were told is durable"
	if len(proof) == 1 {
		what = "what it was told is durable"
	}
	if n := len(proof) - words.MaxNamed; n > 1 {
		proof = append(proof[:words.MaxNamed], human.Count(uint64(n))+" more")
	}
	where := ""
	for i := range r.Run.Restarts {
		if t := &r.Run.Restarts[i]; t.TornMayBeAcknowledged {
			where = ": its damaged end was set aside at " + words.TimeOfDay(r.Run.StartedAt, t.At)
		}
	}
	v.partial("%s, as %s had %s%s", journal.LostAcknowledged, strings.Join(proof, ", "), what, where)
}
