package report

import "fmt"

// maxNamed is the most processes of one client that are warned of one by one.
const maxNamed = 3

// warnOfClient warns of what went wrong at one client without making the run
// partial.
func (v *Verdict) warnOfClient(c *Client) {
	switch {
	case c.Outcome == OutcomeClosed && c.StopReason == "":
		v.warn("client %s: closed without a Stop message", c.Label)
	case c.StopReason == "failed":
		v.warn("client %s: its load could not go on%s", c.Label, because(c.StopDetail))
	case c.StopReason == "interrupted":
		v.warn("client %s: interrupted after %s%s", c.Label, human(c.RuntimeNano), because(c.StopDetail))
	}
	v.warnOfWorkers(c)
	if c.Errors > 0 {
		v.warn("client %s: %s, the last: %s", c.Label, plural(c.Errors, "write error"), orDash(c.LastError))
	}
	if c.UnverifiedFiles > 0 {
		v.warn("client %s: %s did not read back as written", c.Label, plural(c.UnverifiedFiles, "file"))
	}
	for _, why := range c.MalformedWhy {
		v.warn("client %s: %s left out: %s", c.Label, plural(why.Count, "message"), why.Text)
	}
}

func (v *Verdict) warnOfWorkers(c *Client) {
	var bad []*Process
	for i := range c.Processes {
		if p := &c.Processes[i]; p.Exit != nil && p.Exit.Class != ExitClean {
			bad = append(bad, p)
		}
	}
	for i, p := range bad {
		if i == maxNamed && len(bad) > maxNamed+1 {
			v.warn("client %s: %d more workers did not end in order", c.Label, len(bad)-maxNamed)
			return
		}
		v.warn("client %s: %s%s%s", c.Label, processName(p), withPid(p.Pid), deed(p.Exit))
	}
}

// warnOfHandlers warns of handlers that crashed or had to be killed.
func (v *Verdict) warnOfHandlers(handlers []Handler) {
	for i := range handlers {
		h := &handlers[i]
		if h.Exit == nil || h.Exit.Class == ExitClean {
			continue
		}
		v.warn("handler %d (%s)%s", h.Pid, handlerClient(h), deed(h.Exit))
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
	switch {
	case e.Class == ExitCrash:
		return " crashed" + because(e.Cause)
	case e.Cause != "":
		return ": " + e.Cause
	case e.Class == ExitKilled:
		return " did not end in time and was killed"
	case e.Class == ExitNever:
		return " never ended"
	case e.Class == ExitNotStarted:
		return " was never started"
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
