package judge

import (
	"bulkhead/internal/human"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// nameFailing adds which consumers of a client failed to the end, but for those
// whose end says enough.
func (v verdict) nameFailing(c *report.Client) {
	var named []*report.Process
	for i := range c.Processes {
		if p := &c.Processes[i]; p.FailingSince != 0 && (p.Exit == nil || !words.WorkerFailed(p)) {
			named = append(named, p)
		}
	}
	for i, p := range named {
		if i == words.MaxNamed && len(named) > words.MaxNamed+1 {
			v.partial("client %s: %d more consumers failed to the end", c.Label, len(named)-words.MaxNamed)
			return
		}
		v.partial("client %s: %s%s failed to the end, for %s%s", c.Label, words.ProcessName(p), words.WithPid(p.Pid),
			human.Duration(p.FailingNano), words.Because(p.Writes.LastError))
	}
}
