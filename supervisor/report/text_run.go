package report

import (
	"fmt"
	"strings"
)

// run prints the facts of the run and the totals of all clients.
func (p *page) run() {
	run, t := &p.Run, &p.Totals
	p.heading("RUN %s", run.ID)
	if run.StartedAt != 0 {
		p.fact("started", "%s UTC", run.StartedAt.utc().Format("2006-01-02 15:04:05"))
	}
	p.fact("length", "%s, %s", human(run.LengthNano), p.ending())
	p.fact("supervisor", "bulkhead %s (%s), pid %d, listening on %s",
		orDash(run.Version), orDash(run.GoVersion), run.Pid, orDash(run.Listen))
	p.restarts()
	p.fact("host", "%s", hostLine(&run.Host))
	p.fact("clients", "%s", attendanceLine(run))
	p.fact("messages", "%s", p.messagesLine())
	if len(p.Clients) > 0 {
		p.fact("written", "%s", writesLine(&t.Writes))
	}
	p.latencies(&t.Writes)
	p.fact("verified", "%s", verifiedLine(&t.Writes))
}

// attendanceLine says how many clients were expected, and who of them came.
func attendanceLine(run *Run) string {
	text := fmt.Sprintf("%d expected, %d joined", run.ExpectedClients, run.JoinedClients)
	if len(run.ExpectedNames) > 0 {
		text = fmt.Sprintf("%d expected by name, %d joined", run.ExpectedClients, run.JoinedClients)
	}
	if len(run.AbsentNames) > 0 {
		text += "; absent: " + nameSome(run.AbsentNames)
	}
	return text
}

// latencies prints what is known of latencies: service time first, and the response beside
// it where there was a rate.
func (p *page) latencies(w *Writes) {
	for _, l := range []struct {
		name string
		of   *Latency
		what string
	}{
		{"chunk write", &w.ChunkWrite, ""}, {"response", w.Response, "from when it was due"},
		{"create", w.Phases.Create, ""}, {"sync", w.Phases.Sync, ""}, {"close", w.Phases.Close, ""},
	} {
		if !l.of.known() {
			continue
		}
		text := latencyLine(l.of)
		if l.what != "" {
			text += "   (" + l.what + ")"
		}
		p.fact(l.name, "%s", text)
	}
}

// ending says how the run ended.
func (p *page) ending() string {
	switch p.Run.End {
	case "":
		return "without an end (to the last record)"
	case EndDone:
		return "every session ended" + because(p.Run.EndDetail)
	default:
		return p.Run.End + because(p.Run.EndDetail)
	}
}

func hostLine(h *Host) string {
	parts := []string{orDash(h.Name)}
	if h.OS != "" || h.Arch != "" {
		parts = append(parts, h.OS+"/"+h.Arch)
	}
	if h.Kernel != "" {
		parts = append(parts, "kernel "+h.Kernel)
	}
	if h.CPUs > 0 {
		parts = append(parts, plural(uint64(h.CPUs), "CPU"))
	}
	if h.MemoryBytes > 0 {
		parts = append(parts, size(h.MemoryBytes)+" memory")
	}
	return strings.Join(parts, ", ")
}

func (p *page) messagesLine() string {
	text := count(p.Totals.Messages)
	if n := p.Totals.Malformed; n > 0 {
		text += fmt.Sprintf(", and %s left out as malformed", count(n))
	}
	if n := p.Totals.UnknownFacts; n > 0 {
		text += fmt.Sprintf(", and %s of newer clients that this version does not know", count(n))
	}
	text += fmt.Sprintf("; %s, %s", plural(p.Totals.Resumes, "resume"),
		plural(uint64(len(p.Rejections))+p.RejectionsLeftOut, "rejected connection"))
	if n := p.Run.ShedConnections; n > 0 {
		text += ", " + count(n) + " shed"
	}
	return text
}

// restarts prints the newest restarts and upgrades of the supervisor.
func (p *page) restarts() {
	list := p.Run.Restarts
	if hidden := uint64(max(len(list)-shownRestarts, 0)) + p.Run.RestartsLeftOut; hidden > 0 {
		p.fact("", "%s more restarts and upgrades before these", count(hidden))
	}
	for i := range list[max(len(list)-shownRestarts, 0):] {
		r := &list[max(len(list)-shownRestarts, 0)+i]
		word := r.Kind
		if word == RestartUnknown {
			word = "taken up"
		}
		p.fact(word, "%s (%s): bulkhead %s (%s), pid %d; %s", timeOfDay(p.Run.StartedAt, r.At), offset(p.Run.StartedAt, r.At),
			orDash(r.Version), orDash(r.GoVersion), r.Pid, r.handlers())
	}
}

// writesLine says how much was written, at what rate.
func writesLine(w *Writes) string {
	text := fmt.Sprintf("%s in %s and %s", size(w.Bytes), plural(w.Chunks, "chunk"), plural(w.Files, "file"))
	var notes []string
	if w.PartialFiles > 0 {
		notes = append(notes, count(w.PartialFiles)+" partial")
	}
	if w.RecycledFiles > 0 {
		notes = append(notes, count(w.RecycledFiles)+" written over in place")
	}
	if len(notes) > 0 {
		text += " (" + strings.Join(notes, ", ") + ")"
	}
	if w.BytesPerSecond > 0 {
		text += fmt.Sprintf("; %s MB/s over %s of writing", megabytes(w.BytesPerSecond), human(w.WritingNano))
	}
	if w.Errors == 0 {
		return text + "; no errors"
	}
	return text + "; " + plural(w.Errors, "error")
}

// latencyLine gives the percentiles of a histogram.
func latencyLine(l *Latency) string {
	return fmt.Sprintf("p50 %s   p99 %s   p99.9 %s   max %s",
		human(l.P50Nano), human(l.P99Nano), human(l.P999Nano), human(l.MaxNano))
}

// clients prints one line for each client.
func (p *page) clients() {
	if len(p.Clients) == 0 {
		return
	}
	p.heading("CLIENTS")
	t := newTable("client", "outcome", ">runtime", ">bytes", ">MB/s", ">p50", ">p99", ">p99.9", ">max", ">resp p99",
		">ok/late/missed", ">resumes", "cause")
	t.names = "client"
	for i := range p.Clients {
		c := &p.Clients[i]
		l := &c.ChunkWrite
		h := &c.Heartbeats
		t.row(abridge(c.Label, maxShownName), c.Outcome, human(c.RuntimeNano), size(c.Bytes), megabytes(c.BytesPerSecond),
			percentile(l, l.P50Nano), percentile(l, l.P99Nano), percentile(l, l.P999Nano), percentile(l, l.MaxNano), responseP99(&c.Writes),
			fmt.Sprintf("%d/%d/%d", h.Answered, h.Late, h.Missed), unlessZero(c.Resumes), p.contentAndCause(c))
	}
	t.write(&p.out, indent, pageWidth)
}

// responseP99 is what stands in a table; nothing without a rate.
func responseP99(w *Writes) string {
	if !w.Response.known() {
		return ""
	}
	return human(w.Response.P99Nano)
}

// cause is why a session is in the state it is in.
func (p *page) cause(c *Client) string {
	if _, why := p.shortfall(c); why != "" {
		return why
	}
	return endCause(c)
}

// contentAndCause is cause, but what is wrong with the content comes first.
func (p *page) contentAndCause(c *Client) string {
	words, cause := c.badContent(), p.cause(c)
	if words == "" || cause == "" {
		return words + cause
	}
	return words + "; " + cause
}

// percentile is one of l's values, or a dash if l is of nothing.
func percentile(l *Latency, nano int64) string {
	if l.Count == 0 {
		return none
	}
	return human(nano)
}
