package report

import (
	"fmt"
	"strings"
)

// maxNamed is the most processes of one client that are warned of one by one.
const maxNamed = 3

// warnOfClient warns of what went wrong at one client without making the run
// partial.
func (v *Verdict) warnOfClient(c *Client) {
	switch {
	case c.Outcome == OutcomeClosed && c.StopReason == "" && !c.Resent:
		v.warn("client %s: closed without a Stop message", c.Label)
	case c.StopReason == endedByReserve:
		v.warn("client %s: its load ended in order %s, where what is kept in reserve begins%s", c.Label, c.after(), because(c.StopDetail))
	}
	switch {
	case c.Continues != 0:
		v.warn("client %s: is the rest of session %d, delivered later by resend", c.Label, c.Continues)
	case c.Resent && c.LastSeq > 0:
		v.warn("client %s: was not there itself; its messages were delivered later by resend", c.Label)
	}
	v.warnOfAbsences(c)
	v.warnOfMisses(c)
	nameWorkers(v.warn, c, workerSlow)
	if c.Errors > 0 {
		v.warn("client %s: %s, the last: %s", c.Label, plural(c.Errors, "write error"), orDash(c.LastError))
	}
	v.warnOfVerification(c)
	if c.UnknownFacts > 0 {
		v.warn("client %s: %s of a newer client that this version does not know; they are in the journal, and not in these figures",
			c.Label, plural(c.UnknownFacts, "fact"))
	}
	if len(c.Shortened) > 0 {
		var fields []string
		for _, f := range c.Shortened {
			fields = append(fields, fmt.Sprintf("%s %s", f.Text, count(f.Count)))
		}
		v.warn("client %s: texts or lists were longer than the protocol carries and were cut: %s", c.Label, strings.Join(fields, ", "))
	}
}

// warnOfAbsences warns of what was wrong outside of the supervisor while the client
// was away: what it wrote meanwhile, if anything, is there, but not as it was meant.
func (v *Verdict) warnOfAbsences(c *Client) {
	var starved, gone uint64
	var starvedNano, goneNano int64
	for i := range c.Connections {
		switch n := &c.Connections[i]; n.AwayWhy {
		case AwayStarved:
			starved++
			starvedNano += n.AwayStarvedNano
		case AwayNetwork:
			gone++
			goneNano += n.AwayNano
		}
	}
	if starved > 0 {
		v.warn("client %s: starved%s: it was away because it did not get to run for %s", c.Label, times(starved), human(starvedNano))
	}
	if gone > 0 {
		v.warn("client %s: its network was gone%s, for %s", c.Label, times(gone), human(goneNano))
	}
}

// warnOfMisses warns of workers that lived and did not answer. What one that died did not
// answer is told with its end.
func (v *Verdict) warnOfMisses(c *Client) {
	named, more := 0, 0
	for i := range c.Processes {
		p := &c.Processes[i]
		died := p.Exit != nil && p.Exit.Class != ExitClean
		if p.Heartbeats == nil || p.Heartbeats.Missed == 0 || died {
			continue
		}
		if named == maxNamed {
			more++
			continue
		}
		named++
		why := ""
		if len(p.Heartbeats.MissedWhy) > 0 {
			why = p.Heartbeats.MissedWhy[0].Text
		}
		v.warn("client %s: %s missed %s of %s%s", c.Label, processName(p), count(p.Heartbeats.Missed),
			plural(p.Heartbeats.Rounds, "heartbeat"), because(why))
	}
	if more > 0 {
		v.warn("client %s: %s missed heartbeats, too", c.Label, plural(uint64(more), "more worker"))
	}
}

// workerFailed says whether a worker did not do its job to the end. Of a consumer that had
// to be killed nobody knows all that it did, whoever did not wait for it.
func workerFailed(p *Process) bool { return p.Exit.Class != ExitClean && !workerSlow(p) }

// workerSlow says whether a worker did its job, but was killed before it had ended.
func workerSlow(p *Process) bool { return p.Exit.Class == ExitKilled && p.Kind != KindConsumer }

// nameWorkers says of the workers of a client with one kind of end how they ended.
func nameWorkers(say func(format string, args ...any), c *Client, kind func(*Process) bool) {
	var named []*Process
	for i := range c.Processes {
		if p := &c.Processes[i]; p.Exit != nil && kind(p) {
			named = append(named, p)
		}
	}
	for i, p := range named {
		if i == maxNamed && len(named) > maxNamed+1 {
			say("client %s: %d more workers did not end in order", c.Label, len(named)-maxNamed)
			return
		}
		say("client %s: %s%s%s", c.Label, processName(p), withPid(p.Pid), deed(p.Exit))
	}
}

// warnOfHandlers warns of handlers that crashed or had to be killed.
func (v *Verdict) warnOfHandlers(handlers []Handler) {
	for i := range handlers {
		h := &handlers[i]
		if h.Exit == nil || h.Exit.Class == ExitClean {
			continue
		}
		atWork := ""
		if h.AtWork {
			atWork = ", at work on a frame of its client"
		}
		v.warn("handler %d (%s%s)%s", h.Pid, handlerClient(h), atWork, deed(h.Exit))
	}
}

// handlerClient says whose connection a handler served.
func handlerClient(h *Handler) string {
	switch {
	case h.Client != "":
		return h.Client
	case h.ConnectionID == 0:
		return "never used"
	default:
		return "rejected connection"
	}
}

// deed says how a process did not end in order.
func deed(e *Exit) string {
	cause := causeBeyond(e)
	switch e.Class {
	case ExitCrash:
		return " crashed" + because(cause)
	case ExitStopped:
		return " " + cause
	case ExitOOM:
		return " ran out of memory" + because(cause)
	case ExitHang:
		return " hung" + because(cause)
	case ExitProtocol:
		return " broke the protocol" + because(cause)
	case ExitOrphaned:
		if strings.HasPrefix(cause, "ended") {
			return " " + cause
		}
		return " ended with nobody there to see how" + because(cause)
	case ExitSandbox:
		return " did what its sandbox does not allow" + because(cause)
	case ExitNotStarted:
		return " was never started" + because(cause)
	}
	switch {
	case cause != "":
		return ": " + cause
	case e.Class == ExitKilled:
		return " did not end in time and was killed"
	case e.Class == ExitNever:
		return " never ended"
	default:
		return " ended, but nobody knows how"
	}
}

func withPid(pid int32) string {
	if pid == 0 {
		return ""
	}
	return fmt.Sprintf(" (pid %d)", pid)
}
