package report

import (
	"cmp"
	"fmt"
	"net"
	"slices"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// RejectionGroup is the connections that were rejected for one reason under one name, by
// the supervisor's clock.
type RejectionGroup struct {
	// ClientName is "" for connections that did not get as far as a Hello.
	ClientName string `json:"client_name"`
	Reason     string `json:"reason"`
	Count      uint64 `json:"count"`
	// Addresses is how many addresses they came from, ports left aside, up to 1000.
	Addresses uint64 `json:"addresses"`
	// LastPeer is the remote address of the newest.
	LastPeer string `json:"last_peer"`
	FirstAt  Stamp  `json:"first_at"`
	LastAt   Stamp  `json:"last_at"`
}

// otherRejections is the reason of what does not fit into the list of groups.
const otherRejections = "other reasons"

// rejectionGroups groups all rejected connections. Those of named clients do not take the
// places of the others, nor the other way around.
type rejectionGroups struct {
	order     []*rejectionGroup // by the first of each
	byReason  map[refusal]*rejectionGroup
	nameless  int
	addresses int // kept for all groups
}

type rejectionGroup struct {
	RejectionGroup
	from map[string]bool
}

func (g *rejectionGroups) add(r *Rejection) {
	group := g.groupOf(refusal{r.ClientName, r.Reason})
	group.Count++
	if group.FirstAt == 0 {
		group.FirstAt = r.At
	}
	group.LastAt, group.LastPeer = max(group.LastAt, r.At), r.Peer
	address := r.Peer
	if host, _, err := net.SplitHostPort(r.Peer); err == nil {
		address = host
	}
	if !group.from[address] && len(group.from) < maxRejectionAddresses && (len(group.from) == 0 || g.addresses < maxRejections) {
		group.from[address] = true
		g.addresses++
	}
}

func (g *rejectionGroups) groupOf(of refusal) *rejectionGroup {
	if of.name == "" && g.byReason[of] == nil && g.nameless >= maxRejectionReasons ||
		of.name != "" && g.byReason[of] == nil && len(g.order)-g.nameless >= maxRefused {
		of.reason = otherRejections
		if of.name != "" {
			of.name = otherNames
		}
	}
	if known := g.byReason[of]; known != nil {
		return known
	}
	if g.byReason == nil {
		g.byReason = make(map[refusal]*rejectionGroup)
	}
	group := &rejectionGroup{RejectionGroup{ClientName: of.name, Reason: of.reason}, make(map[string]bool)}
	g.byReason[of] = group
	g.order = append(g.order, group)
	if of.name == "" {
		g.nameless++
	}
	return group
}

// otherNames is the client of what does not fit into the list of groups of named ones.
const otherNames = "(others)"

// list is the groups, those of named clients first, each in order of the first.
func (g *rejectionGroups) list() []RejectionGroup {
	list := make([]RejectionGroup, 0, len(g.order))
	for _, group := range g.order {
		out := group.RejectionGroup
		out.Addresses = uint64(len(group.from))
		list = append(list, out)
	}
	slices.SortStableFunc(list, func(a, b RejectionGroup) int {
		switch {
		case (a.ClientName == "") == (b.ClientName == ""):
			return 0
		case a.ClientName != "":
			return -1
		default:
			return 1
		}
	})
	return list
}

// rejections prints the connections that never became a session's, a line for each reason
// and name.
func (p *page) rejections() {
	if len(p.RejectionGroups) == 0 {
		return
	}
	p.heading("REJECTED CONNECTIONS")
	t := newTable(">times", "first", "last", "from", "client", "reason")
	t.names = "client"
	hidden := 0
	var shown [2]int // of the nameless, and of the named
	for i := range p.RejectionGroups {
		g := &p.RejectionGroups[i]
		kind := min(len(g.ClientName), 1)
		if shown[kind]++; shown[kind] > shownRejections {
			hidden++
			continue
		}
		from := orDash(g.LastPeer)
		switch host, _, err := net.SplitHostPort(g.LastPeer); {
		case g.Addresses > 1:
			from = count(g.Addresses) + " addresses"
			if g.Addresses == maxRejectionAddresses {
				from = "many addresses"
			}
		case g.Count > 1 && err == nil:
			from = host
		}
		last := timeOfDay(p.Run.StartedAt, g.LastAt)
		if g.Count == 1 {
			last = ""
		}
		t.row(count(g.Count), timeOfDay(p.Run.StartedAt, g.FirstAt), last, shorten(from, 48), abridge(g.ClientName, maxShownName), g.Reason)
	}
	t.write(&p.out, indent, pageWidth)
	p.elsewhere(hidden, "reasons of rejected connections")
}

// refusedName is what a client is called that is missing in the run because it was refused;
// "" for a connection of something else, or of a client of another run.
func refusedName(e *bulkheadv1.ConnectionRejected, name string) string {
	switch e.GetCode() {
	case bulkheadv1.Reason_REASON_RUN_OVER, bulkheadv1.Reason_REASON_RUN_UNKNOWN:
		return ""
	}
	if name != "" || !e.GetClient() {
		return name
	}
	host := clean(e.GetClientHost(), maxName)
	if at, _, err := net.SplitHostPort(e.GetPeer()); host == "" && err == nil {
		host = clean(at, maxName)
	}
	return fmt.Sprintf("without a name at %s", cmp.Or(host, "an unknown address"))
}
