package report

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
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
func (r *Report) Markdown(w io.Writer, asserted []Result) error {
	m := &ticket{}
	m.line("# bulkhead run %s", md(cmp.Or(r.Run.ID, "without a name")))
	m.line("")
	m.line("**%s**: %s", r.Verdict.Word, md(r.headline()))
	m.list("", slices.Concat(r.Verdict.Reasons, r.Verdict.Interruptions))
	m.asserted(asserted)
	m.list("Warnings", r.Verdict.Warnings)
	told := slices.IndexFunc(r.Findings, func(f Finding) bool { return f.Untold })
	if told < 0 {
		told = len(r.Findings)
	}
	m.findings("Findings", r.Findings[:told])
	m.figures(r)
	m.clients(r.Clients)
	m.findings("Not told by this run", r.Findings[told:])
	if _, err := w.Write(m.out.Bytes()); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// ticket is a Markdown report in the making.
type ticket struct{ out bytes.Buffer }

func (m *ticket) line(format string, args ...any) {
	fmt.Fprintf(&m.out, format+"\n", args...)
}

func (m *ticket) heading(text string) {
	m.line("")
	if text != "" {
		m.line("## %s", text)
		m.line("")
	}
}

// row prints one row of a table.
func (m *ticket) row(cells ...string) {
	for i := range cells {
		cells[i] = md(cells[i])
	}
	m.line("| %s |", strings.Join(cells, " | "))
}

// list prints texts, if there are any.
func (m *ticket) list(title string, texts []string) {
	if len(texts) == 0 {
		return
	}
	m.heading(title)
	for _, text := range texts[:min(len(texts), shownJudgedInTicket)] {
		m.line("- %s", md(text))
	}
	m.more(len(texts)-shownJudgedInTicket, "in report.json")
}

func (m *ticket) more(hidden int, where string) {
	if hidden > 0 {
		m.line("")
		m.line("… and %s more %s", count(uint64(hidden)), where)
	}
}

func (m *ticket) asserted(results []Result) {
	if len(results) == 0 {
		return
	}
	m.heading("Assertions")
	m.line("| assertion | value | holds |")
	m.line("|---|--:|---|")
	for _, a := range results[:min(len(results), shownAssertsInTicket)] {
		word := "yes"
		if !a.Holds {
			word = "**no**"
		}
		m.line("| %s | %s | %s |", md(a.Assertion.String()), md(a.Value), word)
	}
	m.more(len(results)-shownAssertsInTicket, "")
}

func (m *ticket) findings(heading string, list []Finding) {
	if len(list) == 0 {
		return
	}
	m.heading(heading)
	for _, f := range list[:min(len(list), shownJudgedInTicket)] {
		m.line("- %s. *%s; threshold: %s*", md(f.Text), md(f.Evidence), md(f.Threshold))
	}
	m.more(len(list)-shownJudgedInTicket, "in report.json")
}

func (m *ticket) figures(r *Report) {
	m.heading("Run")
	m.line("| | |")
	m.line("|---|---|")
	if r.Run.StartedAt != 0 {
		m.row("started", r.Run.StartedAt.utc().Format("2006-01-02 15:04:05")+" UTC")
	}
	m.row("length", human(r.Run.LengthNano))
	m.row("supervisor", "bulkhead "+orDash(r.Run.Version)+" on "+hostLine(&r.Run.Host))
	m.row("clients", attendanceLine(&r.Run))
	if len(r.Clients) > 0 {
		m.row("written", writesLine(&r.Totals.Writes))
	}
	t := &r.Totals.Writes
	for _, l := range []struct {
		name string
		of   *Latency
	}{{"chunk write", &t.ChunkWrite}, {"response, from when a chunk was due", t.Response}, {"sync", t.Phases.Sync}} {
		if l.of.known() {
			m.row(l.name, latencyLine(l.of))
		}
	}
	if text := verifiedLine(t); text != "" {
		m.row("verified", text)
	}
	m.workloads(r.Clients)
}

// workloads prints what was written: one row for clients that do the same.
func (m *ticket) workloads(list []Client) {
	var loads tally[string]
	loads.limit = shownLoadsInTicket
	for i := range list {
		w := &list[i].Workload
		if len(w.Consumers) == 0 {
			continue
		}
		text := workloadLine(w)
		for _, c := range w.consumerLines() {
			text += "; " + c.who + ": " + c.what
		}
		loads.add(text)
	}
	for _, text := range loads.order {
		m.row("workload of "+plural(loads.counts[text], "client"), text)
	}
	if loads.leftOut > 0 {
		m.row("workload of "+plural(loads.leftOut, "client"), "others, in report.json")
	}
}

func (m *ticket) clients(list []Client) {
	if len(list) == 0 {
		return
	}
	m.heading("Clients")
	m.line("| client | outcome | runtime | bytes | MB/s | p50 | p99 | p99.9 | max | response p99 | corrupt blocks | errors | resumes |")
	m.line("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
	for i := range list[:min(len(list), shownInTicket)] {
		c := &list[i]
		l := &c.ChunkWrite
		m.row(abridge(c.Label, 40), c.Outcome, human(c.RuntimeNano), size(c.Bytes), megabytes(c.BytesPerSecond),
			percentile(l, l.P50Nano), percentile(l, l.P99Nano), percentile(l, l.P999Nano), percentile(l, l.MaxNano),
			responseP99(&c.Writes), count(c.CorruptBlocks), count(c.Errors), count(c.Resumes))
	}
	m.more(len(list)-shownInTicket, "in report.json")
}

// special are the characters that mean something to Markdown, or to what reads it: HTML, a
// link, a mention, a reference to a ticket. Sites look for the last two in what they have
// made of the Markdown, so these are taken apart by a space without width.
var special = strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "<", "&lt;", ">", "&gt;",
	"&", "&amp;", "|", `\|`, "~", `\~`, "#", "#&#8203;", "@", "@&#8203;", "\n", "; ", "://", "&#58;//", "www.", "www&#46;")

// md makes a text mean nothing but itself in Markdown.
func md(text string) string { return special.Replace(text) }
