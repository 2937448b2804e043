package render

import (
	"net"

	"bulkhead/internal/human"
	"bulkhead/internal/table"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// rejections prints the connections that never became a session's, a line for each reason
// and name.
func (p *Page) rejections() {
	if len(p.RejectionGroups) == 0 {
		return
	}
	p.Heading("REJECTED CONNECTIONS")
	t := table.New(">times", "first", "last", "from", "client", "reason")
	t.Names = "client"
	hidden := 0
	var shown [2]int // of the nameless, and of the named
	for i := range p.RejectionGroups {
		g := &p.RejectionGroups[i]
		kind := min(len(g.ClientName), 1)
		if shown[kind]++; shown[kind] > shownRejections {
			hidden++
			continue
		}
		from := human.OrDash(g.LastPeer)
		switch host, _, err := net.SplitHostPort(g.LastPeer); {
		case g.Addresses > 1:
			from = human.Count(g.Addresses) + " addresses"
			if g.Addresses == report.MaxRejectionAddresses {
				from = "many addresses"
			}
		case g.Count > 1 && err == nil:
			from = host
		}
		last := words.TimeOfDay(p.Run.StartedAt, g.LastAt)
		if g.Count == 1 {
			last = ""
		}
		t.Row(human.Count(g.Count), words.TimeOfDay(p.Run.StartedAt, g.FirstAt), last, human.Shorten(from, 48),
			human.Abridge(g.ClientName, table.MaxShownName), g.Reason)
	}
	t.Write(&p.Out, Indent, PageWidth)
	p.elsewhere(hidden, "reasons of rejected connections")
}
