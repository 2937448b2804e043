package fold

import (
	"cmp"
	"fmt"
	"net"
	"slices"

	"bulkhead/internal/plaintext"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/judge"
)

// otherRejections is the reason of what does not fit into the list of groups.
const otherRejections = "other reasons"

// rejectionGroups groups all rejected connections. Those of named clients do not take the
// places of the others, nor the other way around.
type rejectionGroups struct {
	order     []*rejectionGroup // by the first of each
	byReason  map[judge.Refusal]*rejectionGroup
	nameless  int
	addresses int // kept for all groups
}

type rejectionGroup struct {
	report.RejectionGroup
	from map[string]bool
}

func (g *rejectionGroups) add(r *report.Rejection) {
	group := g.groupOf(judge.Refusal{Name: r.ClientName, Reason: r.Reason})
	group.Count++
	if group.FirstAt == 0 {
		group.FirstAt = r.At
	}
	group.LastAt, group.LastPeer = max(group.LastAt, r.At), r.Peer
	address := r.Peer
	if host, _, err := net.SplitHostPort(r.Peer); err == nil {
		address = host
	}
	if !group.from[address] && len(group.from) < report.MaxRejectionAddresses &&
		(len(group.from) == 0 || g.addresses < report.MaxRejections) {
		group.from[address] = true
		g.addresses++
	}
}

func (g *rejectionGroups) groupOf(of judge.Refusal) *rejectionGroup {
	if of.Name == "" && g.byReason[of] == nil && g.nameless >= report.MaxRejectionReasons ||
		of.Name != "" && g.byReason[of] == nil && len(g.order)-g.nameless >= report.MaxRefused {
		of.Reason = otherRejections
		if of.Name != "" {
			of.Name = otherNames
		}
	}
	if known := g.byReason[of]; known != nil {
		return known
	}
	if g.byReason == nil {
		g.byReason = make(map[judge.Refusal]*rejectionGroup)
	}
	group := &rejectionGroup{report.RejectionGroup{ClientName: of.Name, Reason: of.Reason}, make(map[string]bool)}
	g.byReason[of] = group
	g.order = append(g.order, group)
	if of.Name == "" {
		g.nameless++
	}
	return group
}

// otherNames is the client of what does not fit into the list of groups of named ones.
const otherNames = "(others)"

// list returns the groups, those of named clients first, each in order of the first.
func (g *rejectionGroups) list() []report.RejectionGroup {
	list := make([]report.RejectionGroup, 0, len(g.order))
	for _, group := range g.order {
		out := group.RejectionGroup
		out.Addresses = uint64(len(group.from))
		list = append(list, out)
	}
	slices.SortStableFunc(list, func(a, b report.RejectionGroup) int {
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

// refusedName returns what a client is called that is missing in the run because it was refused;
// "" for a connection of something else, or of a client of another run.
func refusedName(e *bulkheadv1.ConnectionRejected, name string) string {
	switch e.GetCode() {
	case bulkheadv1.Reason_REASON_RUN_OVER, bulkheadv1.Reason_REASON_RUN_UNKNOWN:
		return ""
	}
	if name != "" || !e.GetClient() {
		return name
	}
	host := plaintext.Line(e.GetClientHost(), plaintext.MaxName)
	if at, _, err := net.SplitHostPort(e.GetPeer()); host == "" && err == nil {
		host = plaintext.Line(at, plaintext.MaxName)
	}
	return fmt.Sprintf("without a name at %s", cmp.Or(host, "an unknown address"))
}

// OtherShed is the reason of what does not fit into the list of reasons.
const OtherShed = "other reasons"

func (f *Folder) foldShed(e *bulkheadv1.ConnectionsShed, at report.Stamp) {
	first := f.clock.exit(e.GetSinceUnixNano(), e.GetSinceElapsedNano())
	if first == 0 || first > at {
		first = at
	}
	f.run.ShedConnections = report.Plus(f.run.ShedConnections, e.GetCount())
	s := f.shedFor(plaintext.Lines(e.GetReason()))
	s.Count = report.Plus(s.Count, e.GetCount())
	if s.FirstAt == 0 || first < s.FirstAt {
		s.FirstAt = first
	}
	s.LastAt = max(s.LastAt, at)
}

// shedFor returns the entry of a reason, made new if it is the first time and there
// is room, and else the entry of what has no room.
func (f *Folder) shedFor(reason string) *report.Shed {
	for i := range f.shed {
		if f.shed[i].Reason == reason {
			return &f.shed[i]
		}
	}
	switch {
	case len(f.shed) == report.MaxShedReasons:
		return &f.shed[report.MaxShedReasons-1]
	case len(f.shed) == report.MaxShedReasons-1:
		reason = OtherShed
	}
	f.shed = append(f.shed, report.Shed{Reason: reason})
	return &f.shed[len(f.shed)-1]
}
