package render

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"bulkhead/internal/human"
	"bulkhead/internal/tally"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/judge"
	"bulkhead/supervisor/report/words"
)

// How much of a list Markdown shows.
const (
	shownInTicket        = 50 // clients
	shownJudgedInTicket  = 20 // reasons, warnings, findings
	shownAssertsInTicket = 100
	shownLoadsInTicket   = 5 // kinds of workloads
)

// Markdown writes a summary to paste into a ticket: verdict, findings, figures and a line
// for each client. Asserted thresholds come after the verdict, if there are any. An error is w's.
func Markdown(r *report.Report, w io.Writer, asserted []judge.Result) error {
	m := &Ticket{}
	m.Line("# bulkhead run %s", Md(cmp.Or(r.Run.ID, "without a name")))
	m.Line("")
	m.Line("**%s**: %s", r.Verdict.Word, Md(words.Headline(r)))
	m.List("", slices.Concat(r.Verdict.Reasons, r.Verdict.Interruptions))
	m.asserted(slices.Concat(judge.Asserted(r), asserted))
	m.List("Warnings", r.Verdict.Warnings)
	told := slices.IndexFunc(r.Findings, func(f report.Finding) bool { return f.Untold })
	if told < 0 {
		told = len(r.Findings)
	}
	m.findings("Findings", r.Findings[:told])
	m.figures(r)
	m.stages(r)
	m.clients(r.Clients)
	m.findings("Not told by this run", r.Findings[told:])
	if _, err := w.Write(m.Out.Bytes()); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// Ticket is a Markdown report in the making.
type Ticket struct{ Out bytes.Buffer }

// Line adds a line.
func (m *Ticket) Line(format string, args ...any) {
	fmt.Fprintf(&m.Out, format+"\n", args...)
}

// Heading adds a heading with an empty line around it.
func (m *Ticket) Heading(text string) {
	m.Line("")
	if text != "" {
		m.Line("## %s", text)
		m.Line("")
	}
}

// Row prints one row of a table.
func (m *Ticket) Row(cells ...string) {
	for i := range cells {
		cells[i] = Md(cells[i])
	}
	m.Line("| %s |", strings.Join(cells, " | "))
}

// List prints texts, if there are any.
func (m *Ticket) List(title string, texts []string) {
	if len(texts) == 0 {
		return
	}
	m.Heading(title)
	for _, text := range texts[:min(len(texts), shownJudgedInTicket)] {
		m.Line("- %s", Md(text))
	}
	m.more(len(texts)-shownJudgedInTicket, "in report.json")
}

func (m *Ticket) more(hidden int, where string) {
	if hidden > 0 {
		m.Line("")
		m.Line("… and %s more %s", human.Count(uint64(hidden)), where)
	}
}

func (m *Ticket) asserted(results []judge.Result) {
	if len(results) == 0 {
		return
	}
	m.Heading("Assertions")
	m.Line("| assertion | value | holds |")
	m.Line("|---|--:|---|")
	for _, a := range results[:min(len(results), shownAssertsInTicket)] {
		word := "yes"
		if !a.Holds {
			word = "**no**"
		}
		m.Line("| %s | %s | %s |", Md(a.Assertion.String()), Md(a.Value), word)
	}
	m.more(len(results)-shownAssertsInTicket, "")
}

func (m *Ticket) findings(heading string, list []report.Finding) {
	if len(list) == 0 {
		return
	}
	m.Heading(heading)
	for _, f := range list[:min(len(list), shownJudgedInTicket)] {
		m.Line("- %s. *%s; threshold: %s*", Md(f.Text), Md(f.Evidence), Md(f.Threshold))
	}
	m.more(len(list)-shownJudgedInTicket, "in report.json")
}

func (m *Ticket) figures(r *report.Report) {
	m.Heading("Run")
	m.Line("| | |")
	m.Line("|---|---|")
	if r.Run.StartedAt != 0 {
		m.Row("started", r.Run.StartedAt.UTC().Format("2006-01-02 15:04:05")+" UTC")
	}
	m.Row("length", human.Duration(r.Run.LengthNano))
	m.Row("supervisor", "bulkhead "+human.OrDash(r.Run.Version)+" on "+words.Host(&r.Run.Host))
	if how := words.Sandbox(r.Run.Sandbox); how != "" {
		m.Row("sandbox", how)
	}
	m.Row("clients", attendanceLine(&r.Run))
	if text := words.Job(r.Run.Job); text != "" {
		m.Row("job", text)
	}
	if text := words.Gather(r); text != "" {
		m.Row("gather", text)
	}
	if len(r.Clients) > 0 {
		m.Row("written", writesLine(&r.Totals.Writes))
	}
	t := &r.Totals.Writes
	if text := words.WarmUp(t); text != "" {
		m.Row("warm-up", text)
	}
	for _, l := range []struct {
		name string
		of   *report.Latency
	}{{"chunk write", &t.ChunkWrite}, {"response, from when a chunk was due", t.Response}, {"sync", t.Phases.Sync}} {
		if l.of.Known() {
			m.Row(l.name, latencyLine(l.of))
		}
	}
	if text := verifiedLine(t); text != "" {
		m.Row("verified", text)
	}
	if text := words.Reads(t); text != "" {
		m.Row("read beside the writing", text)
	}
	if r := t.Reads; r != nil && r.Latency.Known() {
		m.Row("read", latencyLine(&r.Latency))
		if r.Response.Known() {
			m.Row("read response, from when a read was due", latencyLine(r.Response))
		}
	}
	m.window(r)
	m.workloads(r.Clients)
}

// window prints the time in which every client wrote, and what was written in it.
func (m *Ticket) window(r *report.Report) {
	text := words.CommonWindow(r)
	if text == "" {
		return
	}
	m.Row("in common", text)
	if w := r.CommonWindow; w.Intervals > 0 {
		m.Row("in common: written", words.WindowRate(w))
		for _, l := range windowLatencies(w) {
			m.Row("in common: "+l.name, latencyLine(l.of))
		}
	}
}

// workloads prints what was written: one row for clients that do the same.
func (m *Ticket) workloads(list []report.Client) {
	var loads tally.Tally[string]
	loads.Limit = shownLoadsInTicket
	for i := range list {
		w := &list[i].Workload
		if len(w.Consumers) == 0 {
			continue
		}
		text := words.Workload(w)
		for _, c := range words.ConsumerLines(w) {
			text += "; " + c.Who + ": " + c.What
		}
		loads.Add(text)
	}
	for _, text := range loads.Order {
		m.Row("workload of "+words.Plural(loads.Counts[text], "client"), text)
	}
	if loads.LeftOut > 0 {
		m.Row("workload of "+words.Plural(loads.LeftOut, "client"), "others, in report.json")
	}
}

func (m *Ticket) clients(list []report.Client) {
	if len(list) == 0 {
		return
	}
	m.Heading("Clients")
	m.Line("| client | outcome | runtime | bytes | MB/s | p50 | p99 | p99.9 | max | response p99 | corrupt blocks | " +
		"errors | resumes |")
	m.Line("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
	for i := range list[:min(len(list), shownInTicket)] {
		c := &list[i]
		l := &c.ChunkWrite
		m.Row(human.Abridge(c.Label, 40), c.Outcome, human.Duration(c.RuntimeNano), human.Size(c.Bytes),
			human.Megabytes(c.BytesPerSecond),
			percentile(l, l.P50Nano), percentile(l, l.P99Nano), percentile(l, l.P999Nano), percentile(l, l.MaxNano),
			responseP99(&c.Writes), human.Count(c.CorruptBlocks), human.Count(c.Errors), human.Count(c.Resumes))
	}
	m.more(len(list)-shownInTicket, "in report.json")
}

// special are the characters that mean something to Markdown, or to what reads it: HTML, a
// link, a mention, a reference to a ticket. Sites look for the last two in what they have
// made of the Markdown, so these are taken apart by a space without width.
var special = strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "<", "&lt;", ">",
	"&gt;",
	"&", "&amp;", "|", `\|`, "~", `\~`, "#", "#&#8203;", "@", "@&#8203;", "\n", "; ", "://", "&#58;//", "www.",
	"www&#46;")

// Md makes a text mean nothing but itself in Markdown.
func Md(text string) string { return special.Replace(text) }
