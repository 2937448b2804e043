package render

import (
	"fmt"

	"bulkhead/internal/human"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// corruptions prints what did not read back as it was written.
func (p *Page) corruptions() {
	if words.RunBadContent(p.Report) == "" {
		return
	}
	p.Heading("CORRUPTION: %s", words.RunBadContent(p.Report))
	shown, all := 0, uint64(0)
	for i := range p.Clients {
		c := &p.Clients[i]
		all += uint64(len(c.Corruptions)) + c.CorruptionsLeftOut
		for j := range c.Corruptions[:min(len(c.Corruptions), shownCorruptions-shown)] {
			p.corruption(c, &c.Corruptions[j])
			shown++
		}
	}
	p.elsewhere(int(min(all-uint64(shown), 1<<40)), "places")
}

func (p *Page) corruption(c *report.Client, of *report.Corruption) {
	lines := human.Wrap(fmt.Sprintf("%s %s %s", c.Label, words.Offset(c.StartedAt, of.FoundAt), words.Place(of)),
		PageWidth-len(Indent)-2)
	for i, line := range lines {
		if i == 0 {
			p.Line("%s- %s", Indent, line)
		} else {
			p.Line("%s  %s", Indent, line)
		}
	}
	for _, said := range []struct{ word, text string }{{"expected", of.Expected}, {"found", of.Found}} {
		for i, line := range human.Wrap(human.OrDash(said.text), PageWidth-len(Indent)-14) {
			if i > 0 {
				said.word = ""
			}
			p.Line("%s    %-9s %s", Indent, said.word, line)
		}
	}
}

// verifiedLine returns what was read back; "" if nothing was.
func verifiedLine(w *report.Writes) string {
	compared := words.ComparedBytes(w)
	if compared == 0 && w.CorruptBlocks == 0 {
		return ""
	}
	text := human.Size(compared) + " read back and compared"
	if w.VerifiedCachedBytes > 0 {
		text += ", " + human.Size(w.VerifiedCachedBytes) + " of it perhaps from the page cache"
	}
	if w.CorruptBlocks > 0 {
		return text + "; " + words.Plural(w.CorruptBlocks, "corrupt block")
	}
	return text + "; all as written"
}

// shownCorruptions is how many corruptions the text lists.
const shownCorruptions = 30
