package render

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"bulkhead/internal/human"
	"bulkhead/internal/table"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

const (
	// PageWidth is how many columns a line of the text aims to stay within.
	PageWidth = 120
	// Indent is before every line under a heading.
	Indent = "  "
)

// How much of a list the text shows; all of it is in the JSON.
const (
	shownJudgements  = 30 // reasons, and warnings
	shownProcesses   = 32
	shownRollovers   = 5
	shownConnections = 12
	shownHandlers    = 40
	shownRejections  = 50 // groups of named clients, and of others
	ShownRestarts    = 10
	shownFindings    = 20
	shownStages      = 70
	shownCurves      = 8
	ShownClients     = 20 // in detail; each has its line
)

// Text writes the report for people: the verdict first, then the run, a line for
// each client, clients in detail, the handlers, and the rejected connections.
// An error is w's.
func Text(r *report.Report, w io.Writer) error {
	p := &Page{Report: r, rests: words.RestsOf(r.Clients)}
	p.verdict()
	p.corruptions()
	p.findings("FINDINGS", false)
	p.run()
	p.stages()
	p.curves()
	p.clients()
	detailed := detailed(r)
	for _, c := range detailed {
		p.client(c)
	}
	if hidden := len(r.Clients) - len(detailed); hidden > 0 {
		p.Heading("%s more in detail in report.json", words.Plural(uint64(hidden), "client"))
	}
	p.handlers()
	p.rejections()
	p.findings("NOT TOLD BY THIS RUN", true)
	if _, err := w.Write(p.Out.Bytes()); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// Page is a text report in the making.
type Page struct {
	*report.Report
	Out   bytes.Buffer
	rests map[uint32]*report.Client // what was delivered later, by the session it is the rest of
	// machines are the devices that were shown, by their machine, with the client.
	machines map[string]string
}

// Line adds a line.
func (p *Page) Line(format string, args ...any) {
	p.Out.WriteString(strings.TrimRight(fmt.Sprintf(format, args...), " ") + "\n")
}

// Heading begins a part of the report.
func (p *Page) Heading(format string, args ...any) {
	p.Line("")
	p.Line(format, args...)
}

// fact prints one fact of the run or of a client; without a value it prints
// nothing.
func (p *Page) fact(name, format string, args ...any) {
	value := fmt.Sprintf(format, args...)
	if value == "" {
		return
	}
	const first = len(Indent) + 13
	for i, line := range human.Wrap(value, PageWidth-first) {
		if i > 0 {
			name = ""
		}
		p.Line("%s%-12s %s", Indent, name, line)
	}
}

// elsewhere prints how many things of a list are not shown.
func (p *Page) elsewhere(hidden int, things string) {
	if hidden > 0 {
		p.Line("%s%s more %s in report.json", Indent, human.Count(uint64(hidden)), things)
	}
}

// section prints a table under a title, if it has rows.
func (p *Page) section(title string, t *table.Table) {
	if len(t.Rows) == 0 {
		return
	}
	p.Line("")
	p.Line("%s%s", Indent, title)
	t.Write(&p.Out, Indent+Indent, PageWidth)
}

func (p *Page) verdict() {
	p.Line("%s: %s", p.Verdict.Word, words.Headline(p.Report))
	p.judgements(p.Verdict.Reasons, "reasons")
	p.judgements(p.Verdict.Interruptions, "interruptions")
	if len(p.Verdict.Warnings) > 0 {
		p.Line("warnings")
		p.judgements(p.Verdict.Warnings, "warnings")
	}
}

func (p *Page) judgements(list []string, things string) {
	for _, text := range list[:min(len(list), shownJudgements)] {
		for i, line := range strings.Split(text, "\n") {
			if i == 0 {
				p.Line("%s- %s", Indent, line)
			} else {
				p.Line("%s    %s", Indent, line)
			}
		}
	}
	p.elsewhere(len(list)-shownJudgements, things)
}

// findings prints what the numbers mean, each with its evidence, or at the end what they
// do not tell.
func (p *Page) findings(heading string, untold bool) {
	var list []*report.Finding
	for i := range p.Findings {
		if p.Findings[i].Untold == untold {
			list = append(list, &p.Findings[i])
		}
	}
	if len(list) == 0 {
		return
	}
	p.Heading("%s", heading)
	for _, f := range list[:min(len(list), shownFindings)] {
		for k, line := range human.Wrap(f.Text, PageWidth-len(Indent)-2) {
			if k == 0 {
				p.Line("%s- %s", Indent, line)
			} else {
				p.Line("%s  %s", Indent, line)
			}
		}
		for _, line := range human.Wrap(f.Evidence+" (threshold: "+f.Threshold+")", PageWidth-len(Indent)-4) {
			p.Line("%s    %s", Indent, line)
		}
	}
	p.elsewhere(len(list)-shownFindings, "findings")
}
