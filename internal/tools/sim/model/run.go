package model

import (
	"fmt"
	"time"
)

// Fault is what breaks in a run.
type Fault string

// The faults there are.
const (
	Nothing    Fault = "nothing"
	Supervisor Fault = "supervisor" // the machine of one
	Process    Fault = "process"    // its handlers stay for a while
	Node       Fault = "node"       // one that leads a share of the shards
	Rack       Fault = "rack"       // a node and a third of the supervisors
	SlowDisk   Fault = "slow-disk"  // of a node
)

// Faults returns all of them.
func Faults() []Fault { return []Fault{Nothing, Supervisor, Process, Node, Rack, SlowDisk} }

const (
	// settle is how long after the last client's Welcome nothing is measured.
	settle = 5 * time.Second
	// patience bounds each part of a run.
	patience = 15 * time.Minute
)

// Run simulates a run until all clients have come, then window of it, which begins with a fault, and then
// until everything is acknowledged. It returns an error if something is not.
func Run(p Params, fault Fault, window time.Duration, seed uint64) (Result, error) {
	if err := p.check(fault); err != nil {
		return Result{}, err
	}
	w := newWorld(p, seed)
	for w.waiting > 0 && w.now < patience {
		w.step()
	}
	if w.waiting > 0 {
		return Result{}, fmt.Errorf("after %v %d of %d clients have not come", patience, w.waiting, p.Clients)
	}
	r := Result{Fault: fault, Params: p, Seed: seed, ArrivalP50: w.figures.arrivals.Quantile(0.5),
		Arrival: w.figures.ready, Refused: w.figures.refused, GaveUp: w.figures.gaveUp}
	w.run(w.now + settle)
	w.figures.since, w.figures.faultAt = w.now, w.now
	before := w.usage()
	w.apart(fault)
	w.run(w.now + window)
	w.summarize(&r, before, window)
	w.quiet = true
	for until := w.now + patience; w.now < until && !w.allKnown(); {
		if w.agenda.size == 0 {
			break
		}
		w.step()
	}
	r.Longest = max(r.Longest, w.figures.acks.Max())
	r.Events = w.events
	return r, w.balance()
}

// check reports what cannot be simulated.
func (p *Params) check(fault Fault) error {
	switch {
	case p.Clients < 1 || p.Clients > 1<<24 || p.Supervisors < 1 || p.Supervisors > 1<<10 || p.Consumers < 1:
		return fmt.Errorf("%d clients of %d consumers at %d supervisors: one of each is the least", p.Clients,
			p.Consumers, p.Supervisors)
	case p.File && (p.Supervisors > 1 || fault == Node || fault == Rack):
		return fmt.Errorf("a file journal has one supervisor and no engine")
	case !p.File && (p.Nodes < replicas || p.Nodes > 64 || p.Shards < 1):
		return fmt.Errorf("an engine has 3 to 64 nodes and at least one shard, not %d and %d", p.Nodes, p.Shards)
	case (fault == Supervisor || fault == Process || fault == Rack) && p.Supervisors < 2:
		return fmt.Errorf("who loses a supervisor needs another")
	case p.HostCores < 1 || p.NodeCores < 1 || p.Pool < 1 || p.InFlight < 1 || p.Gather < 1 || p.WindowBatches < 1:
		return fmt.Errorf("cores, pool, in-flight, gather and window are at least 1")
	case p.Progress <= 0 || p.Monitor <= 0 || p.Heartbeat <= 0 || p.Slice < us || p.DiskMB <= 0 || p.WireGbit <= 0:
		return fmt.Errorf("intervals, slice, disk-mb and wire-gbit are above 0")
	}
	return nil
}

// apart breaks something.
func (w *world) apart(fault Fault) {
	switch fault {
	case Supervisor, Process:
		w.loseHost(w.hosts[0], fault == Supervisor)
	case Node:
		w.loseNode(w.nodes[0])
	case Rack:
		w.loseNode(w.nodes[0])
		for _, h := range w.hosts[:max(1, len(w.hosts)/3)] {
			w.loseHost(h, true)
		}
	case SlowDisk:
		if w.File {
			w.hosts[0].journal.slow = w.SlowDisk
		} else {
			w.nodes[0].disk.slow = w.SlowDisk
		}
	}
}

// allKnown reports whether every client knows everything that it made to be durable.
func (w *world) allKnown() bool {
	var never uint64
	for i := range w.clients {
		if c := &w.clients[i]; c.state == gone {
			never += uint64(c.made - c.known)
		}
	}
	return w.figures.made == w.figures.acked+never
}

// balance returns an error unless every message was acknowledged, once.
func (w *world) balance() error {
	var sum uint64
	for i := range w.clients {
		c := &w.clients[i]
		sum += uint64(c.known)
		if c.known > c.durable || c.durable > c.made || c.state != gone && c.known != c.made {
			return fmt.Errorf("client %d made %d messages; %d are durable, and it knows of %d", i, c.made, c.durable,
				c.known)
		}
	}
	if sum != w.figures.acked {
		return fmt.Errorf("%d messages were acknowledged, and clients know of %d", w.figures.acked, sum)
	}
	return nil
}
