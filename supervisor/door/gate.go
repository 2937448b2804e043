package door

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"bulkhead/internal/backoff"
	"bulkhead/internal/config"
	"bulkhead/internal/config/value"
	"bulkhead/internal/protocol"
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
	RetryStartups = 2 * time.Second
	retrySource   = 5 * time.Second
	RetryClients  = 5 * time.Second
)

// Refusal is why a connection is not served, and when to try again.
type Refusal struct {
	// Why is one of a few texts, so that refusals can be counted by it.
	Why        string
	RetryAfter time.Duration
}

// String returns what the client is told.
func (r *Refusal) String() string {
	return protocol.RetryAfterText(r.Why, r.RetryAfter)
}

// Gate decides which connections are let in. It lives as long as the supervisor, so
// that what one run learnt of an address counts in the next.
type Gate struct {
	cfg    config.Overload
	random func(n int) int // uniform in [0, n)

	mu         sync.Mutex
	starting   int                        // guarded by mu; let in, no Hello yet
	startups   map[netip.Addr]int         // guarded by mu; those of each address
	sources    map[netip.Addr]int         // guarded by mu; connections of each address
	crashers   map[netip.Addr]*crasher    // guarded by mu; at most maxCrashers
	wasters    allowances[netip.Addr]     // guarded by mu
	idlers     allowances[netip.Addr]     // guarded by mu
	returners  allowances[netip.Addr]     // guarded by mu
	identities allowances[proven]         // guarded by mu; as returners
	silent     map[netip.Addr][]*Ticket   // guarded by mu; those that must speak and have not, oldest first
	awaited    map[netip.Addr][]time.Time // guarded by mu; since when each session of an address is away
	lane       int                        // guarded by mu; in the lane, no Hello yet
	returns    map[netip.Addr]int         // guarded by mu; let in for an awaited session, no Hello yet
	firsts     map[netip.Addr]int         // guarded by mu; that come first, no Hello yet
}

// crasher is an address whose connections crashed handlers.
type crasher struct {
	crashes int
	last    time.Time
	until   time.Time // it is refused before
}

// NewGate returns a gate that nobody has passed. random returns a number from 0 to n-1.
func NewGate(cfg config.Overload, random func(n int) int) *Gate {
	return &Gate{cfg: cfg, random: random, sources: make(map[netip.Addr]int), crashers: make(map[netip.Addr]*crasher),
		wasters: newAllowances[netip.Addr](wasted), idlers: newAllowances[netip.Addr](idle),
		returners: newAllowances[netip.Addr](crowdReturns), identities: newAllowances[proven](crowdReturns),
		startups: make(map[netip.Addr]int),
		silent:   make(map[netip.Addr][]*Ticket), awaited: make(map[netip.Addr][]time.Time),
		returns: make(map[netip.Addr]int), firsts: make(map[netip.Addr]int)}
}

// Ticket is one connection that was let in. Its methods do nothing on a nil ticket.
type Ticket struct {
	gate     *Gate
	Source   netip.Addr
	crowded  bool // it must speak before it is given a handler
	returns  bool // it was let in because a session of its address is away
	lane     bool // it was let in because a session is away
	entered  time.Time
	starting bool   // guarded by gate.mu
	first    bool   // guarded by gate.mu; it comes first
	left     bool   // guarded by gate.mu
	silent   bool   // guarded by gate.mu; it must speak and has not
	dropped  bool   // guarded by gate.mu; it was to make room while it was silent
	drop     func() // guarded by gate.mu; ends it; nil until it waits
}

// MustSpeak reports whether the connection gets a handler only once its client has sent
// something.
func (t *Ticket) MustSpeak() bool { return t != nil && t.crowded }

// Enter lets a connection in, or returns why not. source is its address without port.
func (g *Gate) Enter(now time.Time, source netip.Addr) (*Ticket, *Refusal) {
	source = source.Unmap().WithZone("")
	g.mu.Lock()
	defer g.mu.Unlock()
	no := g.objection(now, source)
	returns := no != nil && g.mayReturn(now, source)
	lane := no != nil && !returns && g.mayPass(now, source)
	if no != nil && !returns && !lane {
		return nil, no
	}
	t := &Ticket{gate: g, Source: source, crowded: returns || lane || g.starting >= crowd, returns: returns, lane: lane,
		entered: now, starting: true}
	if lane {
		g.lane++ // and not one of those that start: it takes no room from them
	} else {
		g.starting++
		g.startups[source]++
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

// objection returns why a connection of source is not to be let in; nil if nothing is against it.
func (g *Gate) objection(now time.Time, source netip.Addr) *Refusal {
	if no := g.barred(now, source); no != nil {
		return no
	}
	crowded := g.starting >= g.cfg.Startups.Full ||
		g.hasItsShare(source) && sheds(g.cfg.Startups, g.starting, g.random)
	if crowded && !g.makeRoom(source) {
		return &Refusal{"too many connections have not said Hello", RetryStartups}
	}
	return nil
}

// hasItsShare reports whether source has as many connections that start as the others have on
// average. mu is held.
func (g *Gate) hasItsShare(source netip.Addr) bool {
	own := g.startups[source]
	sources := len(g.startups)
	if own == 0 {
		sources++
	}
	return own*sources >= g.starting
}

// barred returns what is against source itself; nil if nothing is.
func (g *Gate) barred(now time.Time, source netip.Addr) *Refusal {
	if wait := g.penalty(now, source); wait > 0 {
		return &Refusal{"connections from this address crashed handlers", roundUp(wait)}
	}
	if why := g.tooMuch(now, source); why != "" {
		return &Refusal{why, retryWaste}
	}
	if most := g.cfg.MaxPerSource; most > 0 && g.sources[source] >= most {
		return &Refusal{fmt.Sprintf("this address has max_per_source=%d connections already", most), retrySource}
	}
	return nil
}

// Adopt counts a connection that is served already, whose client said Hello before.
func (g *Gate) Adopt(source netip.Addr) *Ticket {
	source = source.Unmap().WithZone("")
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sources[source]++
	return &Ticket{gate: g, Source: source}
}

// Greeted records that the connection's client said Hello.
func (t *Ticket) Greeted() {
	if t == nil {
		return
	}
	t.gate.mu.Lock()
	defer t.gate.mu.Unlock()
	t.started()
}

// started takes the connection out of those that start.
func (t *Ticket) started() {
	if !t.starting {
		return
	}
	g := t.gate
	t.starting = false
	if t.lane {
		g.lane--
	} else {
		g.starting--
		if g.startups[t.Source]--; g.startups[t.Source] == 0 {
			delete(g.startups, t.Source)
		}
	}
	if t.returns {
		if g.returns[t.Source]--; g.returns[t.Source] == 0 {
			delete(g.returns, t.Source)
		}
	}
	if t.first {
		t.first = false
		if g.firsts[t.Source]--; g.firsts[t.Source] == 0 {
			delete(g.firsts, t.Source)
		}
	}
	t.unmute()
}

// Leave records that the connection is over, and whether it crashed its handler. Only the first
// call counts.
func (t *Ticket) Leave(now time.Time, crashed bool) {
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
	if g.sources[t.Source]--; g.sources[t.Source] == 0 {
		delete(g.sources, t.Source)
	}
	if crashed {
		g.blame(now, t.Source)
	}
}

// sheds reports whether to refuse a connection when n are starting: sshd's rule for
// MaxStartups (should_drop_connection in OpenSSH's sshd.c), in whole percent.
func sheds(s value.Startups, n int, random func(n int) int) bool {
	switch {
	case n < s.Start:
		return false
	case n >= s.Full || s.Rate >= 100:
		return true
	}
	percent := s.Rate + (100-s.Rate)*(n-s.Start)/(s.Full-s.Start)
	return random(100) < percent
}

// penalty returns how long source must still stay away.
func (g *Gate) penalty(now time.Time, source netip.Addr) time.Duration {
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

// blame remembers a crash, unless crashes keep nobody out: who was asking as it happened would
// find that the delay, though none, is not over.
func (g *Gate) blame(now time.Time, source netip.Addr) {
	if g.cfg.CrashDelay == 0 {
		return
	}
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
func (g *Gate) forgetOldest() {
	var oldest netip.Addr
	for source, c := range g.crashers {
		if o := g.crashers[oldest]; o == nil || c.last.Before(o.last) {
			oldest = source
		}
	}
	delete(g.crashers, oldest)
}

// roundUp returns d in whole seconds, for people.
func roundUp(d time.Duration) time.Duration {
	return (d + time.Second - 1).Truncate(time.Second)
}
