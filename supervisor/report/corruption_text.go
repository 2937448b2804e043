package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

const (
	// shownPlaces is how many corruptions of a client a reason names, and shownCorruptions
	// how many the text lists.
	shownPlaces      = 3
	shownCorruptions = 30
)

// badContent says in a few words what of c did not read back as it was written; "" for
// nothing.
func (c *Client) badContent() string {
	return contentWords(c.CorruptBlocks, c.UnverifiedFiles, c.corruptFiles(), c.moreCorrupt())
}

// badContent says in a few words what of all clients did not read back as it was written.
func (r *Report) badContent() string {
	files, more := 0, false
	for i := range r.Clients {
		files += r.Clients[i].corruptFiles()
		more = more || r.Clients[i].moreCorrupt()
	}
	return contentWords(r.Totals.CorruptBlocks, r.Totals.UnverifiedFiles, files, more)
}

func contentWords(blocks, unverified uint64, files int, more bool) string {
	switch {
	case blocks == 0 && unverified == 0:
		return ""
	case blocks == 0:
		return plural(unverified, "file") + " not as written"
	case files == 0:
		return plural(blocks, "corrupt block")
	}
	text := plural(blocks, "corrupt block") + " in " + plural(uint64(files), "file")
	if more {
		text += " or more"
	}
	return text
}

// corruptFiles is how many files the listed corruptions are in.
func (c *Client) corruptFiles() int {
	paths := make(map[string]bool)
	for i := range c.Corruptions {
		paths[c.Corruptions[i].Path] = true
	}
	return len(paths)
}

// moreCorrupt says that there may be corruptions in files that no listed one is in.
func (c *Client) moreCorrupt() bool {
	return c.CorruptionsLeftOut > 0 || len(c.Corruptions) >= maxCorruptions
}

// place says where a corruption is, and what kind it is of.
func (c *Corruption) place() string {
	return fmt.Sprintf("%s: %s at byte %s, %s: %s", c.Process, orDash(c.Path), count(c.OffsetBytes), plural(c.LengthBytes, "byte"), c.Kind)
}

// judgeContent says what of a client did not read back as it was written.
func (v *Verdict) judgeContent(c *Client) {
	words := c.badContent()
	if words == "" {
		return
	}
	lines := []string{"client " + c.Label + ": " + words}
	for i := range c.Corruptions[:min(len(c.Corruptions), shownPlaces)] {
		lines = append(lines, c.Corruptions[i].place())
	}
	if more := uint64(max(len(c.Corruptions)-shownPlaces, 0)) + c.CorruptionsLeftOut; more > 0 {
		lines = append(lines, "and "+plural(more, "more place"))
	}
	v.partial("%s", strings.Join(lines, "\n"))
}

// warnOfVerification warns of what verification says less than it seems to.
func (v *Verdict) warnOfVerification(c *Client) {
	if n := c.VerifiedCachedBytes; n > 0 {
		v.warn("client %s: %s of the %s that were verified may have come from the page cache and not from storage", c.Label, size(n), size(c.VerifiedBytes))
	}
}

// corruption finds clients whose files did not hold what was written.
func corruption(r *Report) []Finding {
	var list []Finding
	for i := range r.Clients {
		c := &r.Clients[i]
		words := c.badContent()
		if words == "" {
			continue
		}
		f := about(c, FindingCorruption)
		f.Text = fmt.Sprintf("the storage of client %s did not keep what was written: %s", c.Label, words)
		f.Evidence = corruptEvidence(c)
		f.Threshold = "one block"
		list = append(list, f)
	}
	return list
}

func corruptEvidence(c *Client) string {
	text := size(c.VerifiedBytes) + " read back and compared"
	if len(c.Corruptions) == 0 {
		return text
	}
	var kinds tally[string]
	kinds.limit = maxMissReasons
	for i := range c.Corruptions {
		kinds.add(c.Corruptions[i].Kind)
	}
	var parts []string
	for _, kind := range kinds.order {
		parts = append(parts, count(kinds.counts[kind])+" "+kind)
	}
	first := &c.Corruptions[0]
	return fmt.Sprintf("%s; places: %s; the first is %s; expected %s; found %s", text, strings.Join(parts, ", "), first.place(),
		orDash(first.Expected), orDash(first.Found))
}

// corruptions prints what did not read back as it was written.
func (p *page) corruptions() {
	if p.badContent() == "" {
		return
	}
	p.heading("CORRUPTION: %s", p.badContent())
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

func (p *page) corruption(c *Client, of *Corruption) {
	lines := wrap(fmt.Sprintf("%s %s %s", c.Label, offset(c.StartedAt, of.FoundAt), of.place()), pageWidth-len(indent)-2)
	for i, line := range lines {
		if i == 0 {
			p.line("%s- %s", indent, line)
		} else {
			p.line("%s  %s", indent, line)
		}
	}
	for _, said := range []struct{ word, text string }{{"expected", of.Expected}, {"found", of.Found}} {
		for i, line := range wrap(orDash(said.text), pageWidth-len(indent)-14) {
			if i > 0 {
				said.word = ""
			}
			p.line("%s    %-9s %s", indent, said.word, line)
		}
	}
}

// verifiedLine says what was read back; "" if nothing was.
func verifiedLine(w *Writes) string {
	if w.VerifiedBytes == 0 && w.CorruptBlocks == 0 {
		return ""
	}
	text := size(w.VerifiedBytes) + " read back and compared"
	if w.VerifiedCachedBytes > 0 {
		text += ", " + size(w.VerifiedCachedBytes) + " of it perhaps from the page cache"
	}
	if w.CorruptBlocks > 0 {
		return text + "; " + plural(w.CorruptBlocks, "corrupt block")
	}
	return text + "; all as written"
}

// corruptionEvents are the corruptions of a client as events: one for each file.
func (s *sessionState) corruptionEvents(c *Client) []Event {
	byPath := make(map[string]*Event)
	places := make(map[string]int)
	for i := range s.corruptions.items {
		found := &s.corruptions.items[i]
		e := byPath[found.Path]
		if e == nil {
			e = &Event{At: found.at, EndAt: found.at, Kind: EventCorruption, Session: c.Session, Client: c.Label,
				Text: fmt.Sprintf("%s: %s", c.Label, found.place())}
			byPath[found.Path] = e
		}
		e.At, e.EndAt = min(e.At, found.at), max(e.EndAt, found.at)
		places[found.Path]++
	}
	list := make([]Event, 0, len(byPath))
	for path, e := range byPath {
		if n := places[path]; n > 1 {
			e.Text += fmt.Sprintf(", and %s in this file", plural(uint64(n-1), "more place"))
		}
		if e.EndAt == e.At {
			e.EndAt = 0
		}
		list = append(list, *e)
	}
	slices.SortFunc(list, func(a, b Event) int { return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Text, b.Text)) })
	return list
}
