package report

import (
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// minFailing is how many intervals of errors at its end say that a consumer did not
// recover: one may be a failure of the last moment, or of removing the files.
const minFailing = 2

// failing follows whether a consumer recovers from its errors. An interval is a Progress
// in which something was done. It failed when it had errors and no chunk was written in
// it, or none of its files was finished.
type failing struct {
	// since is when the last interval ended that did not fail, or when the first began.
	since Stamp
	// intervals is how many have failed since, without one between that did not, and until
	// the end of the last of them.
	intervals int
	until     Stamp
	wrote     bool // a chunk, ever
	finished  bool // a file, in the interval that is under way
}

// file is told of each finished file, before the Progress of its interval.
func (f *failing) file() { f.finished = true }

// progress is told of each Progress, whose interval is from … to.
func (f *failing) progress(p *bulkheadv1.Progress, from, to Stamp) {
	finished := f.finished
	f.finished = false
	if f.since == 0 {
		f.since = from
	}
	f.wrote = f.wrote || p.GetChunks() > 0
	switch {
	case p.GetErrors() > 0 && (p.GetChunks() == 0 || !finished):
		f.intervals++
		f.until = to
	case p.GetErrors() > 0 || p.GetChunks() > 0:
		f.since, f.intervals = to, 0
	}
}

// toTheEnd is since when the consumer failed until it ended; 0 if it did not. One that
// never wrote a chunk needs no more than one interval to say so.
func (f *failing) toTheEnd() Stamp {
	if f.intervals >= minFailing || f.intervals > 0 && !f.wrote {
		return f.since
	}
	return 0
}

// nameFailing says of the consumers of a client which failed to the end, but for those
// whose end says enough.
func (v *Verdict) nameFailing(c *Client) {
	var named []*Process
	for i := range c.Processes {
		if p := &c.Processes[i]; p.FailingSince != 0 && (p.Exit == nil || !workerFailed(p)) {
			named = append(named, p)
		}
	}
	for i, p := range named {
		if i == maxNamed && len(named) > maxNamed+1 {
			v.partial("client %s: %d more consumers failed to the end", c.Label, len(named)-maxNamed)
			return
		}
		v.partial("client %s: %s%s failed to the end, for %s%s", c.Label, processName(p), withPid(p.Pid),
			human(p.FailingNano), because(p.Writes.LastError))
	}
}
