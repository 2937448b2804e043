package barrier

import (
	"cmp"
	"slices"

	"bulkhead/supervisor/gather"
)

// Event is what can happen to a client.
type Event uint8

// The events.
const (
	// Came is a client that is connected, for the first time or again.
	Came Event = iota
	// Went is one that is not connected.
	Went
	// Out is one that is not waited for any more: its session or its load has ended, or it was asked to
	// end it.
	Out
)

// Stage is a stage that waits, in the load of one client.
type Stage struct {
	Number uint32 // in that load, from 1
	Name   string
}

// Decision is that a stage begins.
type Decision struct {
	Stage string
	// Short says that the time was over.
	Short bool
}

// client is one session.
type client struct {
	session uint32
	name    string
	stages  []Stage
	there   bool   // it is connected
	out     bool   // it is not waited for
	ready   uint32 // the newest stage that it has come to
	begun   uint32 // the newest stage that it has begun
}

// waited reports whether a stage waits for the client.
func (c *client) waited(number uint32) bool { return !c.out && c.begun < number }

// isReady reports whether the client waits for a stage, and can hear that it begins.
func (c *client) isReady(number uint32) bool {
	return c.waited(number) && c.ready >= number && c.there
}

// stage is a stage of one name.
type stage struct {
	over    bool
	clients []*client
	waited  int // how many are waited for, those that are ready with them
	ready   int // how many of them are ready
}

// Set is all stages of a run that wait. It is not safe for concurrent use.
type Set struct {
	clients map[uint32]*client
	stages  map[string]*stage
	due     []Decision
}

// New returns an empty set.
func New() *Set { return &Set{clients: make(map[uint32]*client), stages: make(map[string]*stage)} }

// Join adds a session, which is not connected yet, with those of its stages that wait.
func (s *Set) Join(session uint32, name string, stages []Stage) {
	if s.clients[session] != nil || len(stages) == 0 {
		return
	}
	c := &client{session: session, name: name, stages: stages}
	s.clients[session] = c
	for _, one := range stages {
		of := s.of(one.Name)
		of.clients = append(of.clients, c)
		of.waited++
	}
}

func (s *Set) of(name string) *stage {
	if s.stages[name] == nil {
		s.stages[name] = &stage{}
	}
	return s.stages[name]
}

// Take takes an event of a session.
func (s *Set) Take(e Event, session uint32) {
	s.change(session, func(c *client) {
		switch e {
		case Came:
			c.there = true
		case Went:
			c.there = false
		case Out:
			c.out = true
		}
	})
}

// Ready notes that a session has come to the stage of that number, and waits.
func (s *Set) Ready(session, number uint32) {
	s.change(session, func(c *client) { c.ready = max(c.ready, number) })
}

// Begun notes that a session has begun the stage of that number.
func (s *Set) Begun(session, number uint32) {
	s.change(session, func(c *client) { c.begun = max(c.begun, number) })
}

// change changes a client, and decides on stages that begin because of that.
func (s *Set) change(session uint32, do func(*client)) {
	c := s.clients[session]
	if c == nil {
		return
	}
	was := *c
	do(c)
	for _, one := range c.stages {
		of := s.stages[one.Name]
		of.waited += count(c.waited(one.Number)) - count(was.waited(one.Number))
		of.ready += count(c.isReady(one.Number)) - count(was.isReady(one.Number))
		if !of.over && of.ready > 0 && of.ready == of.waited {
			of.over = true
			s.due = append(s.due, Decision{Stage: one.Name})
		}
	}
}

func count(is bool) int {
	if is {
		return 1
	}
	return 0
}

// TimeOver ends the time to wait for a stage.
func (s *Set) TimeOver(name string) {
	if of := s.of(name); !of.over {
		of.over = true
		s.due = append(s.due, Decision{Stage: name, Short: true})
	}
}

// End ends a stage as one that a supervisor before this one has decided on.
func (s *Set) End(name string) { s.of(name).over = true }

// Over reports whether it is decided that a stage begins.
func (s *Set) Over(name string) bool { return s.of(name).over }

// Decisions returns what was decided since it was asked last, each once.
func (s *Set) Decisions() []Decision {
	due := s.due
	s.due = nil
	return due
}

// Counts returns how many clients a stage waits for that are ready, and how many in all.
func (s *Set) Counts(name string) (ready, waited int) {
	of := s.of(name)
	return of.ready, of.waited
}

// Clients returns those that a stage waits for: the sessions that are ready, and those that are not.
func (s *Set) Clients(name string) (ready []uint32, missing []gather.Client) {
	for _, c := range s.of(name).clients {
		number := c.number(name)
		switch {
		case !c.waited(number):
		case c.isReady(number):
			ready = append(ready, c.session)
		default:
			missing = append(missing, gather.Client{Session: c.session, Name: c.name, State: c.state(number)})
		}
	}
	slices.Sort(ready)
	slices.SortFunc(missing, func(a, b gather.Client) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Session, b.Session))
	})
	return ready, missing
}

// number returns the number of a stage in the load of the client.
func (c *client) number(name string) uint32 {
	for _, one := range c.stages {
		if one.Name == name {
			return one.Number
		}
	}
	return 0
}

// state returns how far a client is that is not ready.
func (c *client) state(number uint32) gather.State {
	switch {
	case c.there:
		return gather.NotReady
	case c.ready >= number:
		return gather.Gone
	default:
		return gather.NotConnected
	}
}
