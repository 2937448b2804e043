package model

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"bulkhead/internal/latency"
)

const (
	diskSynced kind = iota
	clientDials
	hostAccepts
	spawnGoesOn
	connectGoesOn
	handlerMissing
	clientWelcomed
	clientRefused
	clientTicks
	clientBursts
	clientStops
	batchArrives
	batchReady
	callArrives
	getArrives
	callAnswered
	callTimesOut
	callAgain
	ackArrives
	filed
	proposed
	entryArrives
	entryTaken
	entryLogged
	entryFollowed
	entryStored
	storedBeside
	elected
	phaseOver
)

// world is everything that is simulated.
type world struct {
	Params
	now    time.Duration
	agenda agenda
	random *rand.Rand

	clients []client
	hosts   []*host
	nodes   []*node
	shards  []*shard
	disks   []*disk
	calls   []call
	spare   []int32 // calls that are not used
	entries []entry
	unused  []int32 // entries that are not used
	over    func()  // what happens at the end of a phase
	// finished is told of each append instead of its client, in a laboratory.
	finished func(call int32)

	events  uint64
	quiet   bool // clients make no more messages
	waiting int  // clients that have not been let in for the first time
	figures figures
}

// figures are what is counted.
type figures struct {
	acks       latency.Histogram // from when a message leaves until it is acknowledged, of those made since since
	since      time.Duration
	arrivals   latency.Histogram // from a client's first try to its Welcome
	takeovers  latency.Histogram // from a fault to the Welcome of each client that lost its connection by it
	refused    int               // connections
	gaveUp     int               // clients
	made       uint64            // messages
	acked      uint64
	appends    uint64
	collisions uint64 // of registers
	again      uint64 // appends that were not answered in time
	slotsUsed  time.Duration
	opened     int
	ready      time.Duration // when the last client had its Welcome
	faultAt    time.Duration
}

func newWorld(p Params, seed uint64) *world {
	w := &world{Params: p, random: rand.New(rand.NewPCG(seed, 15)), waiting: p.Clients}
	w.figures.since = math.MaxInt64 // nothing is measured yet
	var shared *cores
	var sharedDisk *disk
	if p.OneMachine {
		shared, sharedDisk = newCores(p.HostCores), w.newDisk()
	}
	for i := range p.Supervisors {
		w.hosts = append(w.hosts, w.newHost(int32(i), shared, sharedDisk))
	}
	if !p.File {
		for i := range p.Nodes {
			w.nodes = append(w.nodes, w.newNode(int32(i), shared, sharedDisk))
		}
		for i := range p.Shards {
			w.shards = append(w.shards, w.newShard(int32(i)))
		}
	}
	w.clients = make([]client, p.Clients)
	for i := range w.clients {
		w.newClient(int32(i))
	}
	return w
}

func (w *world) newDisk() *disk {
	d := &disk{number: int32(len(w.disks)), sync: w.Sync, speed: w.DiskMB / 1e3, slow: 1}
	w.disks = append(w.disks, d)
	return d
}

func (w *world) plan(at time.Duration, k kind, a, b int32) { w.agenda.add(at, k, a, b) }

// clock returns now for the product's own code.
func (w *world) clock() time.Time { return time.Unix(1_700_000_000, 0).Add(w.now) }

// between returns a time in [least, most).
func (w *world) between(least, most time.Duration) time.Duration {
	return least + time.Duration(w.random.Float64()*float64(most-least))
}

// run has events happen until the phase that was planned last is over. It returns false if nothing more
// happens before.
func (w *world) run(until time.Duration) {
	over := false
	w.over = func() { over = true }
	w.plan(until, phaseOver, 0, 0)
	for !over {
		w.step()
	}
}

func (w *world) step() {
	e := w.agenda.next()
	if e.at < w.now {
		panic(fmt.Sprintf("an event of %v happens at %v", e.at, w.now))
	}
	w.now = e.at
	w.events++
	w.happen(e.kind, e.a, e.b)
}

func (w *world) happen(k kind, a, b int32) {
	switch k {
	case diskSynced:
		w.disks[a].synced(w)
	case clientDials:
		w.dial(a)
	case hostAccepts:
		w.accept(a, b)
	case spawnGoesOn:
		w.spawnOn(w.hosts[a], b)
	case connectGoesOn:
		w.connectOn(a, b)
	case handlerMissing:
		w.missing(a, b)
	case clientWelcomed:
		w.welcomed(a, b)
	case clientRefused:
		w.refuse(a, b, 0)
	case clientTicks:
		w.tick(a, b)
	case clientBursts:
		w.burst(a, b)
	case clientStops:
		w.lose(a, b)
	case batchArrives:
		w.batchArrives(a, b)
	case batchReady:
		w.batchReady(a, b)
	case callArrives:
		w.callArrives(a, b)
	case getArrives:
		w.getArrives(a, b)
	case callAnswered:
		w.callAnswered(a, b)
	case callTimesOut:
		w.callTimesOut(a, b)
	case callAgain:
		w.callAgain(a, b)
	case ackArrives:
		w.ackArrives(a)
	case filed:
		w.filed(a)
	case proposed:
		w.proposed(a)
	case entryArrives:
		w.entryArrives(a, b)
	case entryTaken:
		w.entryTaken(a, b)
	case entryLogged:
		w.entryLogged(a, b)
	case entryFollowed:
		w.entryFollowed(a, b)
	case entryStored:
		w.entryStored(a)
	case storedBeside:
		w.storedBeside(a)
	case elected:
		w.elected(a, b)
	case phaseOver:
		w.over()
	}
}
