package supervisor

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"bulkhead/internal/backoff"
)

const (
	// maxCrashers bounds the addresses remembered for crashing handlers.
	maxCrashers = 4096
	// crashMemory is how long an address is remembered after its last crash.
	crashMemory = 10 * time.Minute
	// crashDelayMost is the longest time an address must stay away for its crashes.
	crashDelayMost = 5 * time.Minute

	// crowd is from how many starting connections on a further one must speak before
	// it is given a handler. Clients speak first and at once, so an honest one hardly
	// notices; connections that say nothing cost a socket then, and no process.
	crowd = 16

	// What a refused client is told to wait, where nothing says when it gets better.
	retryStartups = 2 * time.Second
	retrySource   = 5 * time.Second
	retryClients  = 5 * time.Second
)

// refusal is why a connection is not served, and when to try again.
type refusal struct {
	// why is one of a few texts, so that refusals can be counted by it.
	why        string
	retryAfter time.Duration
}

// String is what the client is told.
func (r *refusal) String() string {
	return fmt.Sprintf("%s; retry after %s", r.why, r.retryAfter)
}

// gate decides which connections are let in. It lives as long as the supervisor, so
// that what one run learnt of an address counts in the next.
type gate struct {
	cfg    OverloadConfig
	random func(n int) int // uniform in [0, n)

	mu       sync.Mutex
	starting int                        // guarded by mu; let in, no Hello yet
	sources  map[netip.Addr]int         // guarded by mu; connections of each address
	crashers map[netip.Addr]*crasher    // guarded by mu; at most maxCrashers
	wasters  wasters                    // guarded by mu; at most maxWasters
	silent   map[netip.Addr][]*ticket   // guarded by mu; those that must speak and have not, oldest first
	awaited  map[netip.Addr][]time.Time // guarded by mu; since when each session of an address is away
	lane     int                        // guarded by mu; in the lane, no Hello yet
	returns  map[netip.Addr]int         // guarded by mu; let in for an awaited session, no Hello yet
}

// crasher is an address whose connections crashed handlers.
type crasher struct {
	crashes int
	last    time.Time
	until   time.Time // it is refused before
}

func newGate(cfg OverloadConfig, random func(n int) int) *gate {
	return &gate{cfg: cfg, random: random, sources: make(map[netip.Addr]int), crashers: make(map[netip.Addr]*crasher), wasters: make(wasters),
		silent: make(map[netip.Addr][]*ticket), awaited: make(map[netip.Addr][]time.Time), returns: make(map[netip.Addr]int)}
}

// ticket is one connection that was let in. Its methods do nothing on a nil ticket.
type ticket struct {
	gate     *gate
	source   netip.Addr
	crowded  bool // it must speak before it is given a handler
	returns  bool // it was let in because a session of its address is away
	lane     bool // it was let in because a session is away
	entered  time.Time
	starting bool   // guarded by gate.mu
	left     bool   // guarded by gate.mu
	silent   bool   // guarded by gate.mu; it must speak and has not
	dropped  bool   // guarded by gate.mu; it was to make room while it was silent
	drop     func() // guarded by gate.mu; ends it; nil until it waits
}

// mustSpeak says whether the connection gets a handler only once its client has sent
// something.
func (t *ticket) mustSpeak() bool { return t != nil && t.crowded }

// enter lets a connection in, or says why not. source is its address without port.
func (g *gate) enter(now time.Time, source netip.Addr) (*ticket, *refusal) {
	source = source.Unmap().WithZone("")
	g.mu.Lock()
	defer g.mu.Unlock()
	no := g.objection(now, source)
	returns := no != nil && g.mayReturn(now, source)
	lane := no != nil && !returns && g.mayPass(now, source)
	if no != nil && !returns && !lane {
		return nil, no
	}
	t := &ticket{gate: g, source: source, crowded: returns || lane || g.starting >= crowd, returns: returns, lane: lane, entered: now, starting: true}
	if lane {
		g.lane++ // and not one of those that start: it takes no room from them
	} else {
		g.starting++
	}
	g.sources[source]++
	if returns {
		g.returns[source]++
	}
	if t.crowded { // from the first moment, or a burst would find nobody to make room
		t.silent = true
		g.silent[source] = append(g.silent[source], t)
	}
	return t, nil
}

// objection is why a connection of source is not to be let in; nil if nothing is against it.
func (g *gate) objection(now time.Time, source netip.Addr) *refusal {
	if no := g.barred(now, source); no != nil {
		return no
	}
	if g.cfg.Startups.shed(g.starting, g.random) && !g.makeRoom(source) {
		return &refusal{"too many connections have not said Hello", retryStartups}
	}
	return nil
}

// barred is what is against source itself; nil if nothing is.
func (g *gate) barred(now time.Time, source netip.Addr) *refusal {
	if wait := g.penalty(now, source); wait > 0 {
		return &refusal{"connections from this address crashed handlers", roundUp(wait)}
	}
	if g.wasters.tooMuch(now, source) {
		return &refusal{"connections from this address used up handlers for nothing", retryWaste}
	}
	if most := g.cfg.MaxPerSource; most > 0 && g.sources[source] >= most {
		return &refusal{fmt.Sprintf("this address has max_per_source=%d connections already", most), retrySource}
	}
	return nil
}

// adopt counts a connection that is served already, whose client said Hello before.
func (g *gate) adopt(source netip.Addr) *ticket {
	source = source.Unmap().WithZone("")
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sources[source]++
	return &ticket{gate: g, source: source}
}

// greeted says that the connection's client said Hello.
func (t *ticket) greeted() {
	if t == nil {
		return
	}
	t.gate.mu.Lock()
	defer t.gate.mu.Unlock()
	t.started()
}

// started takes the connection out of those that start.
func (t *ticket) started() {
	if !t.starting {
		return
	}
	g := t.gate
	t.starting = false
	if t.lane {
		g.lane--
	} else {
		g.starting--
	}
	if t.returns {
		if g.returns[t.source]--; g.returns[t.source] == 0 {
			delete(g.returns, t.source)
		}
	}
	t.unmute()
}

// leave says that the connection is over, and whether it crashed its handler. Only
// the first call counts.
func (t *ticket) leave(now time.Time, crashed bool) {
	if t == nil {
		return
	}
	g := t.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	if t.left {
		return
	}
	t.left = true
	t.started()
	if g.sources[t.source]--; g.sources[t.source] == 0 {
		delete(g.sources, t.source)
	}
	if crashed {
		g.blame(now, t.source)
	}
}

// shed says whether to refuse a connection when n are starting: sshd's rule for
// MaxStartups (should_drop_connection in OpenSSH's sshd.c), in whole percent.
func (s Startups) shed(n int, random func(n int) int) bool {
	switch {
	case n < s.Start:
		return false
	case n >= s.Full || s.Rate >= 100:
		return true
	}
	percent := s.Rate + (100-s.Rate)*(n-s.Start)/(s.Full-s.Start)
	return random(100) < percent
}

// penalty is how long source must still stay away.
func (g *gate) penalty(now time.Time, source netip.Addr) time.Duration {
	c := g.crashers[source]
	if c == nil {
		return 0
	}
	if now.Sub(c.last) >= crashMemory {
		delete(g.crashers, source)
		return 0
	}
	return c.until.Sub(now)
}

// blame remembers a crash.
func (g *gate) blame(now time.Time, source netip.Addr) {
	c := g.crashers[source]
	switch {
	case c == nil:
		if len(g.crashers) >= maxCrashers {
			g.forgetOldest()
		}
		c = &crasher{}
		g.crashers[source] = c
	case now.Sub(c.last) >= crashMemory:
		*c = crasher{}
	}
	c.crashes++
	c.last = now
	first := g.cfg.CrashDelay
	c.until = now.Add(backoff.Policy{First: first, Most: max(first, crashDelayMost)}.After(c.crashes, 0))
}

// forgetOldest makes room for one crasher. A new one needs a crash, which costs far
// more than this search.
func (g *gate) forgetOldest() {
	var oldest netip.Addr
	for source, c := range g.crashers {
		if o := g.crashers[oldest]; o == nil || c.last.Before(o.last) {
			oldest = source
		}
	}
	delete(g.crashers, oldest)
}

// roundUp is d in whole seconds, for people.
func roundUp(d time.Duration) time.Duration {
	return (d + time.Second - 1).Truncate(time.Second)
}
