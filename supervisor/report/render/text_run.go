package render

import (
	"fmt"
	"slices"
	"strings"

	"bulkhead/internal/human"
	"bulkhead/internal/table"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// run prints the facts of the run and the totals of all clients.
func (p *Page) run() {
	run, t := &p.Run, &p.Totals
	p.Heading("RUN %s", run.ID)
	if run.StartedAt != 0 {
		p.fact("started", "%s UTC", run.StartedAt.UTC().Format("2006-01-02 15:04:05"))
	}
	p.fact("length", "%s, %s", human.Duration(run.LengthNano), p.ending())
	p.fact("supervisor", "bulkhead %s (%s), pid %d, listening on %s",
		human.OrDash(run.Version), human.OrDash(run.GoVersion), run.Pid, human.OrDash(run.Listen))
	p.restarts()
	p.shared()
	p.fact("host", "%s", words.Host(&run.Host))
	if how := words.Sandbox(run.Sandbox); how != "" {
		p.fact("sandbox", "%s", how)
	}
	p.fact("clients", "%s", attendanceLine(run))
	p.fact("job", "%s", words.Job(p.Run.Job))
	p.fact("fleet rate", "%s", words.FleetRate(p.Run.FleetRate))
	p.fact("gather", "%s", words.Gather(p.Report))
	p.asserted()
	p.fact("messages", "%s", p.messagesLine())
	if len(p.Clients) > 0 {
		p.fact("written", "%s", writesLine(&t.Writes))
	}
	p.fact("warm-up", "%s", words.WarmUp(&t.Writes))
	p.latencies(&t.Writes)
	p.fact("verified", "%s", verifiedLine(&t.Writes))
	p.fact("read beside", "%s", words.Reads(&t.Writes))
	p.window()
}

// window prints the time in which every client wrote, and what was written in it.
func (p *Page) window() {
	p.fact("in common", "%s", words.CommonWindow(p.Report))
	w := p.CommonWindow
	if !w.Told() || w.Intervals == 0 {
		return
	}
	p.fact(" written", "%s", words.WindowRate(w))
	for _, l := range windowLatencies(w) {
		p.fact(" "+l.name, "%s", latencyLine(l.of))
	}
}

// namedLatency is a latency and what it is of.
type namedLatency struct {
	name string
	of   *report.Latency
}

// windowLatencies returns the latencies of a common window that are known.
func windowLatencies(w *report.CommonWindow) []namedLatency {
	list := []namedLatency{{"chunk write", &w.ChunkWrite}, {"response", w.Response}, {"sync", w.Phases.Sync},
		{"read", w.Read}}
	return slices.DeleteFunc(list, func(l namedLatency) bool { return !l.of.Known() })
}

// asserted prints how what the run was to keep was kept.
func (p *Page) asserted() {
	name := "asserted"
	for _, a := range p.Run.Assertions {
		text := a.Text + ": " + a.State
		switch {
		case a.Breach != "":
			text += "; " + a.Breach
		case a.Value != "":
			text += "; " + a.Value
		}
		p.fact(name, "%s", text)
		name = ""
	}
}

// attendanceLine returns how many clients were expected, and who of them came.
func attendanceLine(run *report.Run) string {
	text := fmt.Sprintf("%d expected, %d joined", run.ExpectedClients, run.JoinedClients)
	if len(run.ExpectedNames) > 0 {
		text = fmt.Sprintf("%d expected by name, %d joined", run.ExpectedClients, run.JoinedClients)
	}
	if len(run.AbsentNames) > 0 {
		text += "; absent: " + words.NameSome(run.AbsentNames)
	}
	return text
}

// latencies prints what is known of latencies: service time first, and the response beside
// it where there was a rate.
func (p *Page) latencies(w *report.Writes) {
	var read, readResponse *report.Latency
	if r := w.Reads; r != nil {
		read, readResponse = &r.Latency, r.Response
	}
	for _, l := range []struct {
		name string
		of   *report.Latency
		what string
	}{
		{"chunk write", &w.ChunkWrite, ""}, {"response", w.Response, "from when it was due"},
		{"create", w.Phases.Create, ""}, {"sync", w.Phases.Sync, ""}, {"close", w.Phases.Close, ""},
		{"unlink", w.Phases.Unlink, ""}, {"read", read, ""}, {"read resp.", readResponse, "from when it was due"},
	} {
		if !l.of.Known() {
			continue
		}
		text := latencyLine(l.of)
		if l.what != "" {
			text += "   (" + l.what + ")"
		}
		p.fact(l.name, "%s", text)
	}
}

// ending returns how the run ended.
func (p *Page) ending() string {
	switch p.Run.End {
	case "":
		return "without an end (to the last record)"
	case report.EndDone:
		return "every session ended" + words.Because(p.Run.EndDetail)
	default:
		return p.Run.End + words.Because(p.Run.EndDetail)
	}
}

func (p *Page) messagesLine() string {
	text := human.Count(p.Totals.Messages)
	if n := p.Totals.Malformed; n > 0 {
		text += fmt.Sprintf(", and %s left out as malformed", human.Count(n))
	}
	if n := p.Totals.UnknownFacts; n > 0 {
		text += fmt.Sprintf(", and %s of newer clients that this version does not know", human.Count(n))
	}
	text += fmt.Sprintf("; %s, %s", words.Plural(p.Totals.Resumes, "resume"),
		words.Plural(uint64(len(p.Rejections))+p.RejectionsLeftOut, "rejected connection"))
	if n := p.Run.ShedConnections; n > 0 {
		text += ", " + human.Count(n) + " shed"
	}
	return text
}

// restarts prints the newest restarts and upgrades of the supervisor.
func (p *Page) restarts() {
	list := p.Run.Restarts
	if hidden := uint64(max(len(list)-ShownRestarts, 0)) + p.Run.RestartsLeftOut; hidden > 0 {
		p.fact("", "%s more restarts and upgrades before these", human.Count(hidden))
	}
	for i := range list[max(len(list)-ShownRestarts, 0):] {
		r := &list[max(len(list)-ShownRestarts, 0)+i]
		word := r.Kind
		if word == report.RestartUnknown {
			word = "restarted"
		}
		p.fact(word, "%s (%s): bulkhead %s (%s), pid %d; %s", words.TimeOfDay(p.Run.StartedAt, r.At),
			words.Offset(p.Run.StartedAt, r.At),
			human.OrDash(r.Version), human.OrDash(r.GoVersion), r.Pid, words.Adopted(r))
	}
}

// shared prints who took part in a run that several supervisors may share.
func (p *Page) shared() {
	list, name := p.Run.Supervisors, "taking part"
	for i := range list[:min(len(list), ShownRestarts)] {
		p.fact(name, "%s", list[i].Text)
		name = ""
	}
	if hidden := uint64(max(len(list)-ShownRestarts, 0)) + p.Run.SupervisorsLeftOut; hidden > 0 {
		p.fact("", "%s after these", words.Plural(hidden, "more supervisor"))
	}
}

// writesLine returns how much was written, at what rate.
func writesLine(w *report.Writes) string {
	text := fmt.Sprintf("%s in %s and %s", human.Size(w.Bytes), words.Plural(w.Chunks, "chunk"),
		words.Plural(w.Files, "file"))
	var notes []string
	if w.PartialFiles > 0 {
		notes = append(notes, human.Count(w.PartialFiles)+" partial")
	}
	if w.RecycledFiles > 0 {
		notes = append(notes, human.Count(w.RecycledFiles)+" written over in place")
	}
	if len(notes) > 0 {
		text += " (" + strings.Join(notes, ", ") + ")"
	}
	if w.BytesPerSecond > 0 {
		text += fmt.Sprintf("; %s MB/s over %s of writing", human.Megabytes(w.BytesPerSecond),
			human.Duration(w.WritingNano))
	}
	if w.Errors == 0 {
		return text + "; no errors"
	}
	return text + "; " + words.Plural(w.Errors, "error")
}

// latencyLine gives the percentiles of a histogram.
func latencyLine(l *report.Latency) string {
	return fmt.Sprintf("p50 %s   p99 %s   p99.9 %s   max %s",
		human.Duration(l.P50Nano), human.Duration(l.P99Nano), human.Duration(l.P999Nano), human.Duration(l.MaxNano))
}

// clients prints one line for each client.
func (p *Page) clients() {
	if len(p.Clients) == 0 {
		return
	}
	p.Heading("CLIENTS")
	t := table.New("client", "outcome", ">runtime", ">bytes", ">MB/s", ">p50", ">p99", ">p99.9", ">max", ">resp p99",
		">ok/late/missed", ">resumes", "cause")
	t.Names = "client"
	for i := range p.Clients {
		c := &p.Clients[i]
		l := &c.ChunkWrite
		h := &c.Heartbeats
		t.Row(human.Abridge(c.Label, table.MaxShownName), c.Outcome, human.Duration(c.RuntimeNano), human.Size(c.Bytes),
			human.Megabytes(c.BytesPerSecond),
			percentile(l, l.P50Nano), percentile(l, l.P99Nano), percentile(l, l.P999Nano), percentile(l, l.MaxNano),
			responseP99(&c.Writes),
			fmt.Sprintf("%d/%d/%d", h.Answered, h.Late, h.Missed), human.UnlessZero(c.Resumes), p.contentAndCause(c))
	}
	t.Write(&p.Out, Indent, PageWidth)
}

// responseP99 returns what stands in a table; nothing without a rate.
func responseP99(w *report.Writes) string {
	if !w.Response.Known() {
		return ""
	}
	return human.Duration(w.Response.P99Nano)
}

// cause returns why a session is in the state it is in.
func (p *Page) cause(c *report.Client) string {
	if _, why := words.Shortfall(p.Report, c); why != "" {
		return why
	}
	return words.EndCause(c)
}

// contentAndCause returns cause, but what is wrong with the content comes first.
func (p *Page) contentAndCause(c *report.Client) string {
	words, cause := words.BadContent(c), p.cause(c)
	if words == "" || cause == "" {
		return words + cause
	}
	return words + "; " + cause
}

// percentile returns one of l's values, or a dash if l is of nothing.
func percentile(l *report.Latency, nano int64) string {
	if l.Count == 0 {
		return human.None
	}
	return human.Duration(nano)
}
