package gather

import (
	"cmp"
	"maps"
	"slices"
)

// Event is what can happen to a client that is gathered, or to the gather.
type Event uint8

// The events. All but TimeOver and Drained are of a session.
const (
	// Came is a client that is connected, for the first time or again.
	Came Event = iota
	// CameUnable is one that cannot wait, and begins by itself.
	CameUnable
	// Ready is a client that has said that it is ready.
	Ready
	// Went is a client that is not connected.
	Went
	// Ended is a session with an outcome.
	Ended
	// Excused is a client that was asked alone to end before it began: it is not waited for.
	Excused
	// TimeOver is the end of the time to wait.
	TimeOver
	// Drained is a run that ends before anybody has begun.
	Drained
)

// Action is what the owner must do.
type Action uint8

// The actions.
const (
	None     Action = iota
	Complete        // all are ready: let them begin
	Short           // let those begin that are ready
	Abort           // drain the run
)

// State is how far a client is.
type State uint8

// The states.
const (
	NotConnected State = iota // or it never came
	NotReady                  // it is connected
	IsReady                   // and connected
	Gone                      // it was ready, and is not connected
	Unable                    // it cannot wait, and has begun
)

// Client is one session.
type Client struct {
	Session uint32
	Name    string
	State   State
	// Ended says that the session has an outcome: it is gone for good, and another of its name may
	// take its place.
	Ended bool
	// Excused says that it is not waited for, unless another of its name takes its place.
	Excused bool
}

// Gather is a gather that goes on, or is over. It is not safe for concurrent use.
type Gather struct {
	expected int
	awaited  map[string]bool // nil for any names
	start    bool            // when the time is over, those that are ready begin
	over     bool
	clients  map[uint32]*Client
	there    map[string]int // sessions of a name that need not be waited for
	complete int            // names of those, of them that are awaited
	excused  bool           // one of them was
}

// New returns a gather of so many clients of different names, or of those that are named. start says
// what is done when the time is over: those that are ready begin, or else nobody does.
func New(expected int, names []string, start bool) *Gather {
	g := &Gather{expected: expected, start: start, clients: make(map[uint32]*Client), there: make(map[string]int)}
	if len(names) > 0 {
		g.awaited, g.expected = make(map[string]bool, len(names)), len(names)
		for _, name := range names {
			g.awaited[name] = true
		}
	}
	return g
}

// Over reports whether the gather is over, so that a client that becomes ready begins at once.
func (g *Gather) Over() bool { return g.over }

// End ends the gather as one that a supervisor before this one has decided.
func (g *Gather) End() { g.over = true }

// Take takes an event, which is of the session of that number if it is of one, and returns what must
// be done. Anything but None ends the gather; what comes after it is only kept.
func (g *Gather) Take(e Event, session uint32, name string) Action {
	switch e {
	case TimeOver:
		return g.timeOver()
	case Drained:
		g.over = true
		return None
	}
	c := g.clients[session]
	if c == nil {
		c = &Client{Session: session, Name: name}
		g.clients[session] = c
	}
	was := c.there()
	c.take(e)
	if is := c.there(); is != was {
		g.count(c.Name, is)
	}
	g.excused = g.excused || c.Excused
	if need := g.need(); g.over || g.complete < need || need == 0 {
		return None
	}
	g.over = true
	return Complete
}

// need returns how many names must be there: those that are expected, but for those of which all that
// came and have not ended are excused. Where any names count, others that came take their places.
func (g *Gather) need() int {
	if !g.excused {
		return g.expected
	}
	live, gone := make(map[string]bool), make(map[string]bool)
	for _, c := range g.clients {
		switch {
		case g.awaited != nil && !g.awaited[c.Name]:
		case c.Excused:
			gone[c.Name] = true
		case !c.Ended || c.there():
			live[c.Name] = true
		}
	}
	for name := range live {
		delete(gone, name)
	}
	least := max(g.expected-len(gone), 0)
	if g.awaited == nil {
		least = max(least, min(g.expected, len(live)))
	}
	return least
}

func (g *Gather) timeOver() Action {
	switch {
	case g.over:
		return None
	case g.start:
		g.over = true
		return Short
	default:
		g.over = true
		return Abort
	}
}

// count takes note that a session of this name need not be waited for, or must be again.
func (g *Gather) count(name string, there bool) {
	if g.awaited != nil && !g.awaited[name] {
		return
	}
	if there {
		if g.there[name]++; g.there[name] == 1 {
			g.complete++
		}
		return
	}
	if g.there[name]--; g.there[name] == 0 {
		delete(g.there, name)
		g.complete--
	}
}

// take moves a client on.
func (c *Client) take(e Event) {
	switch {
	case c.State == Unable || c.Ended:
	case e == Excused:
		c.Excused = true
	case e == CameUnable:
		c.State = Unable
	case e == Came && c.State == NotConnected:
		c.State = NotReady
	case e == Came && c.State == Gone:
		c.State = IsReady
	case e == Ready && c.State == NotConnected: // it said so, and was cut off before that was durable
		c.State = Gone
	case e == Ready && c.State == NotReady:
		c.State = IsReady
	case (e == Went || e == Ended) && c.State == NotReady:
		c.State = NotConnected
	case (e == Went || e == Ended) && c.State == IsReady:
		c.State = Gone
	}
	c.Ended = c.Ended || e == Ended
}

// there reports whether a client need not be waited for.
func (c *Client) there() bool { return c.State == IsReady && !c.Excused || c.State == Unable }

// Counts returns how many of those that are expected are there, and how many are expected.
func (g *Gather) Counts() (there, expected int) { return g.complete, g.need() }

// With returns the sessions in a state that are not excused, in order.
func (g *Gather) With(s State) []uint32 {
	var list []uint32
	for _, c := range g.clients {
		if c.State == s && !c.Excused {
			list = append(list, c.Session)
		}
	}
	slices.Sort(list)
	return list
}

// Missing are those that are waited for: each that came or is awaited by name, by names, and how many
// others there must be.
func (g *Gather) Missing() (list []Client, others int) {
	newest := make(map[string]Client) // of each name that is not there, excused or not
	for name := range g.awaited {
		if g.there[name] == 0 {
			newest[name] = Client{Name: name}
		}
	}
	for _, session := range slices.Sorted(maps.Keys(g.clients)) {
		c := g.clients[session]
		if _, known := newest[c.Name]; g.there[c.Name] > 0 || g.awaited != nil && !known {
			continue
		}
		if before := newest[c.Name]; before.Session == 0 || before.Ended || before.Excused || !c.Ended && !c.Excused {
			newest[c.Name] = *c
		}
	}
	for _, c := range newest {
		if !c.Excused {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b Client) int { return cmp.Compare(a.Name, b.Name) })
	return list, max(g.need()-g.complete-len(list), 0)
}
