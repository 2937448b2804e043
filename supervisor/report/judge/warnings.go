package judge

import (
	"fmt"
	"strings"

	"bulkhead/internal/human"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// warnOfClient warns of what went wrong at one client without making the run
// partial.
func (v verdict) warnOfClient(c *report.Client) {
	switch {
	case c.Outcome == report.OutcomeClosed && c.StopReason == "" && !c.Resent:
		v.warn("client %s: closed without a Stop message", c.Label)
	case c.StopReason == report.StopReserve:
		v.warn("client %s: its load ended in order %s, where what is kept in reserve begins%s", c.Label, words.After(c),
			words.Because(c.StopDetail))
	}
	switch {
	case c.Continues != 0:
		v.warn("client %s: is the rest of session %d, delivered later by resend", c.Label, c.Continues)
	case c.Resent && c.LastSeq > 0:
		v.warn("client %s: did not connect itself; its messages were delivered later by resend", c.Label)
	}
	v.warnOfAbsences(c)
	v.warnOfMisses(c)
	nameWorkers(v.warn, c, words.WorkerSlow)
	if n := c.Errors - readErrorsOf(c); n > 0 {
		v.warn("client %s: %s, the last: %s", c.Label, words.Plural(n, "write error"), human.OrDash(c.LastError))
	}
	v.warnOfVerification(c)
	if c.UnknownFacts > 0 {
		v.warn("client %s: %s of a newer client that this version does not know; they are in the journal, and not in "+
			"these figures",
			c.Label, words.Plural(c.UnknownFacts, "fact"))
	}
	if len(c.Shortened) > 0 {
		var fields []string
		for _, f := range c.Shortened {
			fields = append(fields, fmt.Sprintf("%s %s", f.Text, human.Count(f.Count)))
		}
		v.warn("client %s: texts or lists were longer than the protocol carries and were cut: %s", c.Label,
			strings.Join(fields, ", "))
	}
}

// warnOfAbsences warns of what was wrong outside of the supervisor while the client
// was away: what it wrote meanwhile, if anything, is there, but not as it was meant.
func (v verdict) warnOfAbsences(c *report.Client) {
	var starved, gone uint64
	var starvedNano, goneNano int64
	for i := range c.Connections {
		switch n := &c.Connections[i]; n.AwayWhy {
		case report.AwayStarved:
			starved++
			starvedNano += n.AwayStarvedNano
		case report.AwayNetwork:
			gone++
			goneNano += n.AwayNano
		}
	}
	if starved > 0 {
		v.warn("client %s: starved%s: it was away because it did not get to run for %s", c.Label, words.Times(starved),
			human.Duration(starvedNano))
	}
	if gone > 0 {
		v.warn("client %s: its network was gone%s, for %s", c.Label, words.Times(gone), human.Duration(goneNano))
	}
}

// warnOfMisses warns of workers that lived and did not answer. What one that died did not
// answer is told with its end.
func (v verdict) warnOfMisses(c *report.Client) {
	named, more := 0, 0
	for i := range c.Processes {
		p := &c.Processes[i]
		died := p.Exit != nil && p.Exit.Class != report.ExitClean
		if p.Heartbeats == nil || p.Heartbeats.Missed == 0 || died {
			continue
		}
		if named == words.MaxNamed {
			more++
			continue
		}
		named++
		why := ""
		if len(p.Heartbeats.MissedWhy) > 0 {
			why = p.Heartbeats.MissedWhy[0].Text
		}
		v.warn("client %s: %s missed %s of %s%s", c.Label, words.ProcessName(p), human.Count(p.Heartbeats.Missed),
			words.Plural(p.Heartbeats.Rounds, "heartbeat"), words.Because(why))
	}
	if more > 0 {
		v.warn("client %s: %s missed heartbeats, too", c.Label, words.Plural(uint64(more), "more worker"))
	}
}

// nameWorkers adds how the workers of a client with one kind of end ended.
func nameWorkers(say func(format string, args ...any), c *report.Client, kind func(*report.Process) bool) {
	var named []*report.Process
	for i := range c.Processes {
		if p := &c.Processes[i]; p.Exit != nil && kind(p) {
			named = append(named, p)
		}
	}
	for i, p := range named {
		if i == words.MaxNamed && len(named) > words.MaxNamed+1 {
			say("client %s: %d more workers did not end in order", c.Label, len(named)-words.MaxNamed)
			return
		}
		say("client %s: %s%s%s", c.Label, words.ProcessName(p), words.WithPid(p.Pid), words.Deed(p.Exit))
	}
}

// warnOfHandlers warns of handlers that crashed or had to be killed.
func (v verdict) warnOfHandlers(handlers []report.Handler) {
	for i := range handlers {
		h := &handlers[i]
		if h.Exit == nil || h.Exit.Class == report.ExitClean {
			continue
		}
		atWork := ""
		if h.AtWork {
			atWork = ", at work on a frame of its client"
		}
		v.warn("handler %d (%s%s)%s", h.Pid, words.HandlerClient(h), atWork, words.Deed(h.Exit))
	}
}

// warnOfShed warns of connections that were refused to shed load.
func (v verdict) warnOfShed(run *report.Run) {
	for i := range run.Shed {
		s := &run.Shed[i]
		v.warn("%s shed %s%s", words.Were(s.Count, "connection"), words.ShedSpan(s, run.StartedAt),
			words.Because(s.Reason))
	}
}
