package words

import (
	"fmt"

	"bulkhead/internal/human"
	"bulkhead/supervisor/report"
)

// BadContent returns in a few words what of c did not read back as it was written; "" for
// nothing.
func BadContent(c *report.Client) string {
	return contentWords(c.CorruptBlocks, c.UnverifiedFiles, corruptFiles(c), moreCorrupt(c))
}

// RunBadContent returns in a few words what of all clients did not read back as it was written.
func RunBadContent(r *report.Report) string {
	files, more := 0, false
	for i := range r.Clients {
		files += corruptFiles(&r.Clients[i])
		more = more || moreCorrupt(&r.Clients[i])
	}
	return contentWords(r.Totals.CorruptBlocks, r.Totals.UnverifiedFiles, files, more)
}

func contentWords(blocks, unverified uint64, files int, more bool) string {
	switch {
	case blocks == 0 && unverified == 0:
		return ""
	case blocks == 0:
		return Plural(unverified, "file") + " not as written"
	case files == 0:
		return Plural(blocks, "corrupt block")
	}
	text := Plural(blocks, "corrupt block") + " in " + Plural(uint64(files), "file")
	if more {
		text += " or more"
	}
	return text
}

// corruptFiles returns how many files the listed corruptions are in.
func corruptFiles(c *report.Client) int {
	paths := make(map[string]bool)
	for i := range c.Corruptions {
		paths[c.Corruptions[i].Path] = true
	}
	return len(paths)
}

// moreCorrupt reports whether there may be corruptions in files that no listed one is in.
func moreCorrupt(c *report.Client) bool {
	return c.CorruptionsLeftOut > 0 || len(c.Corruptions) >= report.MaxCorruptions
}

// Place returns where a corruption is, and what kind it is of.
func Place(c *report.Corruption) string {
	text := fmt.Sprintf("%s: %s at byte %s, %s: %s", c.Process, human.OrDash(c.Path), human.Count(c.OffsetBytes),
		Plural(c.LengthBytes, "byte"), c.Kind)
	if o := c.Owner; o != nil {
		text += fmt.Sprintf("; written by client %s on host %s, read on host %s", human.OrDash(o.Name),
			human.OrDash(o.Host), human.OrDash(o.ReaderHost))
	}
	return text
}
