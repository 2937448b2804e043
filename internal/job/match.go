package job

import (
	"errors"
	"fmt"
	"strings"

	"bulkhead/internal/config"
	"bulkhead/internal/plural"
)

// Agent is an agent that a job may use.
type Agent struct {
	Name   string
	Labels map[string]string
}

// None is the entry of an agent that is not used.
const None = -1

// Assignment says who does what. Entries and agents are their indices, from 0.
type Assignment struct {
	// Entry is the entry of each agent, or None.
	Entry []int
	// Unmatched are the entries that no agent matches, and Unused the agents that no entry matches.
	Unmatched, Unused []int
}

// Match matches agents to the entries of a job. Its error is of type TwiceError, for agents that
// match more than one entry; the assignment is empty then.
func Match(entries []config.JobEntry, agents []Agent) (Assignment, error) {
	a := Assignment{Entry: make([]int, len(agents))}
	matched := make([]bool, len(entries))
	var twice TwiceError
	for i, agent := range agents {
		var mine []int
		for k, entry := range entries {
			if entry.On.Matches(agent.Name, agent.Labels) {
				mine, matched[k] = append(mine, k), true
			}
		}
		switch a.Entry[i] = None; len(mine) {
		case 0:
			a.Unused = append(a.Unused, i)
		case 1:
			a.Entry[i] = mine[0]
		default:
			twice = append(twice, Twice{Agent: agent.Name, Entries: mine, of: entries})
		}
	}
	for k, is := range matched {
		if !is {
			a.Unmatched = append(a.Unmatched, k)
		}
	}
	if len(twice) > 0 {
		return Assignment{}, twice
	}
	return a, nil
}

// Twice is an agent that matches more than one entry.
type Twice struct {
	Agent   string
	Entries []int
	of      []config.JobEntry
}

// String names the agent and its entries.
func (t Twice) String() string {
	names := make([]string, len(t.Entries))
	for i, k := range t.Entries {
		names[i] = fmt.Sprintf("clients[%d] (line %d, on %s)", k, t.of[k].Line, t.of[k].On)
	}
	last := len(names) - 1
	return fmt.Sprintf("agent %s matches %s and %s; let it match one", t.Agent, strings.Join(names[:last], ", "),
		names[last])
}

// TwiceError is the error of agents that match more than one entry, at least one.
type TwiceError []Twice

// Error has a line for each agent, of so many that a person reads.
func (e TwiceError) Error() string {
	const shown = 10
	var lines []error
	for i, t := range e {
		if i == shown {
			lines = append(lines, fmt.Errorf("so do %s", plural.Of(uint64(len(e)-i), "more agent")))
			break
		}
		lines = append(lines, errors.New(t.String()))
	}
	return errors.Join(lines...).Error()
}
