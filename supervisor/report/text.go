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
	shownRejections  = 20
)

// Text writes the report for people: the verdict first, then the run, a line for
// each client, each client in detail, the handlers, and the rejected connections.
// An error is w's.
func (r *Report) Text(w io.Writer) error {
	p := &page{Report: r}
	p.verdict()
	p.run()
	p.clients()
	for i := range r.Clients {
		p.client(&r.Clients[i])
	}
	p.handlers()
	p.rejections()
	if _, err := w.Write(p.out.Bytes()); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// page is a text report in the making.
type page struct {
	*Report
	out bytes.Buffer
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
	if value := fmt.Sprintf(format, args...); value != "" {
		p.line("%s%-12s %s", indent, name, value)
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
	closed := 0
	for i := range p.Clients {
		if p.Clients[i].Outcome == OutcomeClosed {
			closed++
		}
	}
	word := "PARTIAL"
	if p.Complete() {
		word = "COMPLETE"
	}
	if len(p.Clients) == 0 {
		p.line("%s: no client came", word)
	} else {
		p.line("%s: %d of %s closed", word, closed, plural(uint64(len(p.Clients)), "client"))
	}
	p.judgements(p.Verdict.Reasons, "reasons")
	if len(p.Verdict.Warnings) > 0 {
		p.line("warnings")
		p.judgements(p.Verdict.Warnings, "warnings")
	}
}

func (p *page) judgements(list []string, things string) {
	for _, text := range list[:min(len(list), shownJudgements)] {
		p.line("%s- %s", indent, text)
	}
	p.elsewhere(len(list)-shownJudgements, things)
}
