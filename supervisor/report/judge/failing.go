package judge

import (
	"fmt"
	"slices"

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

// readErrorsOf returns how many of a client's errors its readers had.
func readErrorsOf(c *report.Client) uint64 {
	if c.Reads == nil {
		return 0
	}
	return min(c.Reads.Errors, c.Errors)
}

// readErrors finds clients whose readers could not read finished files.
func readErrors(r *report.Report) []report.Finding {
	var list []report.Finding
	for i := range r.Clients {
		c := &r.Clients[i]
		if c.Reads == nil || c.Reads.Errors == 0 {
			continue
		}
		f := about(c, report.FindingReads)
		f.Text = fmt.Sprintf("readers of client %s could not read what it had written: %s", c.Label,
			words.Plural(c.Reads.Errors, "error"))
		f.Evidence = fmt.Sprintf("of %s beside the writing; the client's last error: %s",
			words.Plural(report.Plus(c.Reads.Operations, c.Reads.Errors), "read"), human.OrDash(c.LastError))
		f.Threshold = "one error"
		list = append(list, f)
	}
	return list
}

// alone finds clients whose readers were to read other clients' files, and found none, or none of another
// host: then nothing is known of what hosts see of each other.
func alone(r *report.Report) []report.Finding {
	var list []report.Finding
	for i := range r.Clients {
		c := &r.Clients[i]
		if !slices.ContainsFunc(c.Workload.Consumers, func(one report.Consumer) bool {
			return one.Read != nil && one.Read.Of == report.ReadOfNeighbour
		}) {
			continue
		}
		did := c.Reads
		if did == nil {
			did = new(report.Reads)
		}
		f := about(c, report.FindingNeighbour)
		switch {
		case did.Neighbours == 0:
			f.Text = fmt.Sprintf("readers of client %s found no finished file of another client", c.Label)
			f.Threshold = "one file, of a client of the same run and user below the same path, with read.of: neighbour"
		case did.NeighbourHosts == 0:
			f.Text = fmt.Sprintf("readers of client %s read files of clients on its own host alone: that says "+
				"nothing of what other hosts see", c.Label)
			f.Severity, f.Threshold = report.SeverityNote, "one file of a client on another host"
		default:
			continue
		}
		f.Evidence = "read beside: " + words.Reads(&report.Writes{Reads: did})
		list = append(list, f)
	}
	return list
}
