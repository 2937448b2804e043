package model

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Result is what a run came to.
type Result struct {
	Fault  Fault
	Params Params
	Seed   uint64
	Events uint64 // that happened in the simulation

	// Until all clients had come.
	ArrivalP50, Arrival time.Duration // of a client from its first try; until the last has its Welcome
	Refused, GaveUp     int

	// In the window.
	Made, Appends            float64       // messages and appends a second
	AckP50, AckP99, Longest  time.Duration // from when a message is made; Longest until its ack, whenever that comes
	TakeoverP50, TakeoverMax time.Duration
	Moved                    uint64 // clients that lost their supervisor and have another
	Collisions, Again        uint64 // of registers; requests that were not answered in time
	HostMiB                  float64
	Uses                     []Use // by how much they are used, the most first
}

// Use is how much of something is used: of whichever there are, the one that is used most.
type Use struct {
	Name string
	Part float64
}

// Used returns the part of one of Uses.
func (r *Result) Used(name string) float64 {
	for _, u := range r.Uses {
		if u.Name == name {
			return u.Part
		}
	}
	return 0
}

// The names of Uses.
const (
	HostCPU   = "supervisors' processors"
	HostWire  = "supervisors' network"
	Slots     = "appends in flight"
	FileDisk  = "supervisor's disk"
	NodeCPU   = "nodes' processors"
	NodeDisk  = "nodes' disks"
	NodeWire  = "nodes' network"
	ShardLead = "a shard's leader"
)

// usage is how long each thing was used, by name and number.
type usage map[string][]time.Duration

func (w *world) usage() usage {
	u := usage{}
	for _, h := range w.hosts {
		w.count(h, 0)
		u[HostCPU] = append(u[HostCPU], (h.cores.used+h.idle)/time.Duration(len(h.cores.free)))
		u[HostWire] = append(u[HostWire], max(h.in.used, h.out.used))
		if h.journal != nil {
			u[FileDisk] = append(u[FileDisk], h.journal.used)
		}
	}
	for _, n := range w.nodes {
		u[NodeCPU] = append(u[NodeCPU], n.cores.used/time.Duration(len(n.cores.free)))
		u[NodeDisk] = append(u[NodeDisk], n.disk.used)
		u[NodeWire] = append(u[NodeWire], max(n.in.used, n.out.used))
	}
	for _, s := range w.shards {
		u[ShardLead] = append(u[ShardLead], s.used)
	}
	if !w.File {
		u[Slots] = append(u[Slots], w.figures.slotsUsed/time.Duration(w.InFlight*len(w.hosts)*len(w.shards)))
	}
	u[""] = []time.Duration{time.Duration(w.figures.made), time.Duration(w.figures.appends),
		time.Duration(w.figures.collisions), time.Duration(w.figures.again)}
	return u
}

// summarize fills in what is of the window.
func (w *world) summarize(r *Result, before usage, window time.Duration) {
	f := &w.figures
	r.AckP50, r.AckP99, r.Longest = f.acks.Quantile(0.5), f.acks.Quantile(0.99), f.acks.Max()
	r.TakeoverP50, r.TakeoverMax, r.Moved = f.takeovers.Quantile(0.5), f.takeovers.Max(), f.takeovers.Count()
	for _, h := range w.hosts {
		r.HostMiB = max(r.HostMiB, float64(h.most)*(w.HandlerMiB+w.ShareMiB))
	}
	for name, after := range w.usage() {
		was := before[name]
		if name == "" {
			r.Made, r.Appends = rate(after[0]-was[0], window), rate(after[1]-was[1], window)
			r.Collisions, r.Again = uint64(after[2]-was[2]), uint64(after[3]-was[3])
			continue
		}
		most := 0.0
		for i := range after {
			most = max(most, float64(after[i]-was[i])/float64(window))
		}
		r.Uses = append(r.Uses, Use{name, most})
	}
	slices.SortFunc(r.Uses, func(a, b Use) int {
		return cmp.Or(cmp.Compare(b.Part, a.Part), cmp.Compare(a.Name, b.Name))
	})
}

func rate(n, window time.Duration) float64 { return float64(n) / window.Seconds() }

// First returns what is used most, and how much.
func (r *Result) First() string {
	return fmt.Sprintf("%s, %.0f %%", r.Uses[0].Name, 100*r.Uses[0].Part)
}
