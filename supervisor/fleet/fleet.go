package fleet

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

const (
	// Most is how many agents are known at a time.
	Most = 1024
	// forgetAfter is how long an agent that is away is remembered.
	forgetAfter = 10 * time.Minute
)

// Why an agent is not let in.
var (
	// ErrNameTaken says that a connected agent has the name.
	ErrNameTaken = errors.New("another agent of this name is connected; give each machine's agent a name of its own")
	// ErrAnothers says that the agent that had the name, or the id, has proven to be somebody else.
	ErrAnothers = errors.New("the agent of this name has proven to be somebody else")
	ErrFull     = fmt.Errorf("the supervisor has %d agents already", Most)
)

// Line is how one connection of an agent is reached. Neither method waits.
type Line interface {
	// Put sends a frame, of which a newer one takes the place.
	Put(*bulkheadv1.SupervisorFrame)
	// Replace ends the connection: the agent has another.
	Replace()
}

// Agent is what is known of one agent.
type Agent struct {
	ID, Name, Host, Peer, Version string
	// Who is what it has proven; nil if nothing.
	Who        *bulkheadv1.Identity
	Labels     map[string]string
	Allowances []*bulkheadv1.Allowance
	MaxRuntime time.Duration
	// GivesIDs says that its clients have the ids of their tasks.
	GivesIDs  bool
	Connected bool
	// Since is since when it has been connected, or away.
	Since       time.Time
	Connections int
	// Reported says that it has reported of its tasks since it connected.
	Reported bool
	// Tasks are those of its newest report, in its order. They must not be changed.
	Tasks []*bulkheadv1.TaskReport
}

// Task returns what the agent has reported of a task; nil if it has not.
func (a *Agent) Task(id []byte) *bulkheadv1.TaskReport {
	for _, t := range a.Tasks {
		if string(t.GetTaskId()) == string(id) {
			return t
		}
	}
	return nil
}

// Fleet is all agents of a supervisor. Use New.
type Fleet struct {
	clock func() time.Time

	mu      sync.Mutex
	agents  map[string]*member // guarded by mu; by id
	changed chan struct{}      // guarded by mu; closed at the next change
}

type member struct {
	Agent
	line Line // nil while it is away
}

// New returns a fleet without agents.
func New(clock func() time.Time) *Fleet {
	return &Fleet{clock: clock, agents: make(map[string]*member), changed: make(chan struct{})}
}

// Join takes note of an agent that has connected: under its id, in place of a connection that it
// had. It returns ErrNameTaken, ErrAnothers or ErrFull if the agent must not.
func (f *Fleet) Join(hello *bulkheadv1.Hello, peer string, who *bulkheadv1.Identity, line Line) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	now, id := f.clock(), string(hello.GetClientId())
	f.forget(now)
	m := f.agents[id]
	if m != nil && !mayFollow(m.Who, who) {
		return ErrAnothers
	}
	for _, other := range f.agents {
		if other.Name != hello.GetAgent().GetName() || other == m {
			continue
		}
		if other.line != nil {
			return ErrNameTaken
		}
		if !mayFollow(other.Who, who) {
			return ErrAnothers
		}
		delete(f.agents, other.ID) // its process has ended, and this one has taken its place
	}
	if m == nil {
		if len(f.agents) >= Most && !f.evict() {
			return ErrFull
		}
		m = &member{Agent: Agent{ID: id}}
		f.agents[id] = m
	}
	if m.line != nil {
		m.line.Replace()
	}
	about := hello.GetAgent()
	m.Agent = Agent{
		ID: id, Name: about.GetName(), Host: hello.GetHost(), Peer: peer, Version: hello.GetClientVersion(), Who: who,
		Labels: hello.GetLabels(), Allowances: shown(about.GetAllowances()),
		MaxRuntime: time.Duration(max(about.GetMaxRuntimeNano(), 0)),
		GivesIDs:   about.GetGivesIds(), Connected: true, Since: now, Connections: m.Connections + 1, Tasks: m.Tasks,
	}
	m.line = line
	f.change()
	return nil
}

// Leave takes note that a connection of an agent has ended. One that was replaced changes nothing.
func (f *Fleet) Leave(id string, line Line) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.agents[id]
	if m == nil || m.line != line {
		return
	}
	m.line, m.Connected, m.Since, m.Reported = nil, false, f.clock(), false
	f.change()
}

// Report takes note of how an agent's tasks are, if the line is its own.
func (f *Fleet) Report(id string, line Line, r *bulkheadv1.AgentReport) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.agents[id]
	if m == nil || m.line != line {
		return
	}
	if told := kept(r.GetTasks()); !m.Reported || !slices.EqualFunc(m.Tasks, told, same) {
		m.Tasks, m.Reported = told, true
		f.change()
	}
}

// Send sends a frame to an agent, and reports whether that is connected.
func (f *Fleet) Send(id string, frame *bulkheadv1.SupervisorFrame) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.agents[id]
	if m == nil || m.line == nil {
		return false
	}
	m.line.Put(frame)
	return true
}

// Knows reports whether an agent of this id is known.
func (f *Fleet) Knows(id []byte) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.agents[string(id)] != nil
}

// Agents returns all agents, in the order of their names, and a channel that is closed when
// something has changed since.
func (f *Fleet) Agents() ([]Agent, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forget(f.clock())
	all := make([]Agent, 0, len(f.agents))
	for _, m := range f.agents {
		all = append(all, m.Agent)
	}
	slices.SortFunc(all, func(a, b Agent) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return all, f.changed
}

// change tells whoever waits. f.mu is held.
func (f *Fleet) change() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// forget forgets those that have been away for long. f.mu is held.
func (f *Fleet) forget(now time.Time) {
	maps.DeleteFunc(f.agents, func(_ string, m *member) bool {
		return m.line == nil && now.Sub(m.Since) >= forgetAfter
	})
}

// evict forgets the one that has been away for the longest time, and reports whether there was one.
// f.mu is held.
func (f *Fleet) evict() bool {
	var first *member
	for _, m := range f.agents {
		if m.line == nil && (first == nil || m.Since.Before(first.Since)) {
			first = m
		}
	}
	if first != nil {
		delete(f.agents, first.ID)
	}
	return first != nil
}
