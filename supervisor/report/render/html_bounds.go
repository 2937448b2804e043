package render

import (
	"slices"

	"bulkhead/supervisor/report"
)

// Bounds of what the page holds, for all clients together: more than a person looks
// through, and few enough that a browser stays quick. report.json has it all.
const (
	pageRollovers   = 10_000
	pageHandlers    = 2_000
	pageRejections  = 1_000
	pageConnections = 10_000
	pageCorruptions = 5_000
	// pageDeclared is bytes of labels and of what consumers write, as report.MaxDeclaredBytes.
	pageDeclared = 8 << 20
)

// bounded returns the report as the page shows it: itself, with lists that are too long
// thinned and what was left out counted in the fields for it. It shares everything else
// with r.
func bounded(r *report.Report) *report.Report {
	b := *r
	b.Handlers, b.HandlersLeftOut = newestOf(r.Handlers, pageHandlers, r.HandlersLeftOut)
	b.Rejections, b.RejectionsLeftOut = newestOf(r.Rejections, pageRejections, r.RejectionsLeftOut)
	var connections, rollovers, corruptions int
	wanted := make([]int, len(r.Clients))
	for i := range r.Clients {
		wanted[i] = r.Clients[i].DeclaredBytes()
		connections += len(r.Clients[i].Connections)
		corruptions += len(r.Clients[i].Corruptions)
		for _, p := range r.Clients[i].Processes {
			if p.Rollovers != nil {
				rollovers += len(p.Rollovers.List)
			}
		}
	}
	b.Clients = slices.Clone(r.Clients)
	declared := report.EqualShare(wanted, pageDeclared)
	for i := range b.Clients {
		c := &b.Clients[i]
		c.CutDeclared(declared)
		keep := share(len(c.Connections), connections, pageConnections)
		c.Connections, c.ConnectionsLeftOut = newestOf(c.Connections, keep, c.ConnectionsLeftOut)
		first := share(len(c.Corruptions), corruptions, pageCorruptions)
		c.CorruptionsLeftOut += uint64(len(c.Corruptions) - first)
		c.Corruptions = c.Corruptions[:first]
		if rollovers <= pageRollovers {
			continue
		}
		c.Processes = slices.Clone(c.Processes)
		for j := range c.Processes {
			if own := c.Processes[j].Rollovers; own != nil {
				thin := *own
				thin.List = slowestOf(own.List, share(len(own.List), rollovers, pageRollovers))
				thin.LeftOut += uint64(len(own.List) - len(thin.List))
				c.Processes[j].Rollovers = &thin
			}
		}
	}
	return &b
}

// share returns how many of own items may stay when all of them together may be limit;
// at least one stays.
func share(own, all, limit int) int {
	if all <= limit || own == 0 {
		return own
	}
	return max(1, own*limit/all)
}

// newestOf returns the last limit items, and leftOut with the others counted too.
func newestOf[T any](list []T, limit int, leftOut uint64) ([]T, uint64) {
	older := max(0, len(list)-limit)
	return list[older:], leftOut + uint64(older)
}

// slowestOf divides files into limit groups of neighbours and returns the slowest of
// each, in their order: the outliers stay, and so does the course over time.
func slowestOf(files []report.Rollover, limit int) []report.Rollover {
	if len(files) <= limit {
		return files
	}
	kept := make([]report.Rollover, 0, limit)
	for i := range limit {
		group := files[i*len(files)/limit : (i+1)*len(files)/limit]
		kept = append(kept, slices.MaxFunc(group, func(a, b report.Rollover) int {
			return int(min(max(took(&a)-took(&b), -1), 1))
		}))
	}
	return kept
}

// took returns how long all phases of the file together were, in nanoseconds.
func took(f *report.Rollover) int64 {
	return f.CreateNano + f.WriteNano + f.SyncNano + f.CloseNano
}
