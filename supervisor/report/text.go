package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

const (
	// pageWidth is how many columns a line of the text aims to stay within.
	pageWidth = 120
	// indent is before every line under a heading.
	indent = "  "
)

// How much of a list the text shows; all of it is in the JSON.
const (
	shownJudgements  = 30 // reasons, and warnings
	shownProcesses   = 32
	shownRollovers   = 5
	shownConnections = 12
	shownHandlers    = 40
	shownRejections  = 50 // groups of named clients, and of others
	shownRestarts    = 10
	shownFindings    = 20
	shownClients     = 20 // in detail; each has its line
)

// Text writes the report for people: the verdict first, then the run, a line for
// each client, clients in detail, the handlers, and the rejected connections.
// An error is w's.
func (r *Report) Text(w io.Writer) error {
	p := &page{Report: r, rests: restsOf(r.Clients)}
	p.verdict()
	p.corruptions()
	p.findings("FINDINGS", false)
	p.run()
	p.clients()
	detailed := r.detailed()
	for _, c := range detailed {
		p.client(c)
	}
	if hidden := len(r.Clients) - len(detailed); hidden > 0 {
		p.heading("%s more in detail in report.json", plural(uint64(hidden), "client"))
	}
	p.handlers()
	p.rejections()
	p.findings("NOT TOLD BY THIS RUN", true)
	if _, err := w.Write(p.out.Bytes()); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// page is a text report in the making.
type page struct {
	*Report
	out   bytes.Buffer
	rests map[uint32]*Client // what was delivered later, by the session it is the rest of
}

func (p *page) line(format string, args ...any) {
	p.out.WriteString(strings.TrimRight(fmt.Sprintf(format, args...), " ") + "\n")
}

// heading begins a part of the report.
func (p *page) heading(format string, args ...any) {
	p.line("")
	p.line(format, args...)
}

// fact prints one fact of the run or of a client; without a value it prints
// nothing.
func (p *page) fact(name, format string, args ...any) {
	value := fmt.Sprintf(format, args...)
	if value == "" {
		return
	}
	const first = len(indent) + 13
	for i, line := range wrap(value, pageWidth-first) {
		if i > 0 {
			name = ""
		}
		p.line("%s%-12s %s", indent, name, line)
	}
}

// elsewhere says how many things of a list are not shown.
func (p *page) elsewhere(hidden int, things string) {
	if hidden > 0 {
		p.line("%s%s more %s in report.json", indent, count(uint64(hidden)), things)
	}
}

// section prints a table under a title, if it has rows.
func (p *page) section(title string, t *table) {
	if len(t.rows) == 0 {
		return
	}
	p.line("")
	p.line("%s%s", indent, title)
	t.write(&p.out, indent+indent, pageWidth)
}

func (p *page) verdict() {
	p.line("%s: %s", p.Verdict.Word, p.headline())
	p.judgements(p.Verdict.Reasons, "reasons")
	p.judgements(p.Verdict.Interruptions, "interruptions")
	if len(p.Verdict.Warnings) > 0 {
		p.line("warnings")
		p.judgements(p.Verdict.Warnings, "warnings")
	}
}

// headline is Verdict.Headline.
func (r *Report) headline() string {
	words := r.closedWords()
	if r.Verdict.Running {
		words = r.atWorkWords()
	}
	if bad := r.badContent(); bad != "" {
		return bad + "; " + words
	}
	return words
}

// atWorkWords say how many clients are at work.
func (r *Report) atWorkWords() string {
	if len(r.Clients) == 0 {
		return "no client has come yet"
	}
	atWork := 0
	for i := range r.Clients {
		if r.Clients[i].connected() {
			atWork++
		}
	}
	text := fmt.Sprintf("%d of %s at work", atWork, plural(uint64(len(r.Clients)), "client"))
	if closed := r.outcomes(OutcomeClosed); closed > 0 {
		text += fmt.Sprintf(", %d closed", closed)
	}
	return text
}

// closedWords say how many clients closed.
func (r *Report) closedWords() string {
	if len(r.Clients) == 0 {
		return "no client came"
	}
	text := fmt.Sprintf("%d of %s closed", r.outcomes(OutcomeClosed), plural(uint64(len(r.Clients)), "client"))
	if n := r.cutShort(); n > 0 {
		text += fmt.Sprintf(", %d cut short by an operator", n)
	}
	return text
}

func (p *page) judgements(list []string, things string) {
	for _, text := range list[:min(len(list), shownJudgements)] {
		for i, line := range strings.Split(text, "\n") {
			if i == 0 {
				p.line("%s- %s", indent, line)
			} else {
				p.line("%s    %s", indent, line)
			}
		}
	}
	p.elsewhere(len(list)-shownJudgements, things)
}

// findings prints what the numbers mean, each with its evidence, or at the end what they
// do not tell.
func (p *page) findings(heading string, untold bool) {
	var list []*Finding
	for i := range p.Findings {
		if p.Findings[i].Untold == untold {
			list = append(list, &p.Findings[i])
		}
	}
	if len(list) == 0 {
		return
	}
	p.heading("%s", heading)
	for _, f := range list[:min(len(list), shownFindings)] {
		for k, line := range wrap(f.Text, pageWidth-len(indent)-2) {
			if k == 0 {
				p.line("%s- %s", indent, line)
			} else {
				p.line("%s  %s", indent, line)
			}
		}
		for _, line := range wrap(f.Evidence+" (threshold: "+f.Threshold+")", pageWidth-len(indent)-4) {
			p.line("%s    %s", indent, line)
		}
	}
	p.elsewhere(len(list)-shownFindings, "findings")
}
