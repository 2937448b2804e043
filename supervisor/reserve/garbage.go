package reserve

import (
	"os"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

const (
	// garbageSmall is how much may be in use before anybody cares how much garbage comes on top.
	garbageSmall = 24 << 20
	// mostGarbage is the runtime's own measure of garbage before it is collected, as a percentage
	// of what is in use, and leastGarbage the least, of a supervisor that has little to do.
	mostGarbage  = 100
	leastGarbage = 25
	// calmCollections are as many as there may be in a second before there may be more garbage:
	// then it is the time that counts.
	calmCollections = 1
	// unusedShare of what is in use may be free and still this process's, and looksToReturn is how
	// many looks at least are between two times that more than that is given back.
	unusedShare   = 8
	looksToReturn = 60
)

// Garbage keeps what this process has in memory near what it uses. By default there may be as much
// garbage as there is in use, which with thousands of clients is hundreds of megabytes, filled
// over an hour of heartbeats. A supervisor whose clients say little collects it earlier, which
// costs next to nothing because there is little; one whose clients say much does what it always
// did. What the arrival of many clients or a large page has left free is given back, too: the
// runtime keeps it for as long as it likes. An operator's GOGC stays.
type Garbage struct {
	mu      sync.Mutex
	read    []metrics.Sample // guarded by mu
	cycles  uint64           // guarded by mu
	percent int              // guarded by mu
	since   int              // guarded by mu; looks since something was given back
	plenty  int              // guarded by mu; so many do work that makes much of it
}

// NewGarbage returns a Garbage; nil if an operator has set what there may be.
func NewGarbage() *Garbage {
	if _, set := os.LookupEnv("GOGC"); set {
		return nil
	}
	return &Garbage{percent: mostGarbage, read: []metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"},
		{Name: "/gc/cycles/total:gc-cycles"}, {Name: "/memory/classes/heap/free:bytes"},
	}}
}

// Look decides how much garbage there may be until the next look, a second later.
func (g *Garbage) Look() {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	metrics.Read(g.read)
	used, cycles := g.read[0].Value.Uint64()+g.read[1].Value.Uint64(), g.read[2].Value.Uint64()
	next := garbageFor(g.percent, used, cycles-g.cycles)
	g.cycles = cycles
	if g.plenty > 0 {
		return
	}
	g.set(next)
	if g.since++; g.returns(used, g.read[3].Value.Uint64()) {
		g.since = 0
		debug.FreeOSMemory() // collects garbage first; few have anything to do now
	}
}

// Plenty lets there be as much garbage as the runtime likes until done is called, for work that makes
// much of it and is waited for, as a report is: little garbage would be collected all the time, and
// each time all that is used is looked at.
func (g *Garbage) Plenty() (done func()) {
	if g == nil {
		return func() {}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.plenty++
	g.set(mostGarbage)
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.plenty--
	}
}

// set makes percent what there may be. Whoever calls it holds mu.
func (g *Garbage) set(percent int) {
	if percent != g.percent {
		g.percent = percent
		debug.SetGCPercent(percent)
	}
}

// returns reports whether it is time to give memory back, of which so many bytes are free and so
// many in use.
func (g *Garbage) returns(used, free uint64) bool {
	return g.percent == leastGarbage && g.since >= looksToReturn && free > used/unusedShare
}

// garbageFor returns what the percentage is to be, given what it was, what is in use in bytes, and
// how often garbage was collected in a second.
func garbageFor(was int, used, collections uint64) int {
	switch {
	case used < garbageSmall:
		return mostGarbage
	case collections > calmCollections:
		return min(2*was, mostGarbage)
	case collections == 0:
		return max(was-was/8, leastGarbage)
	default:
		return was
	}
}
