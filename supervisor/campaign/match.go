package campaign

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"bulkhead/internal/config"
	"bulkhead/internal/job"
	"bulkhead/internal/plural"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/fleet"
)

const (
	// returnsSoon is how long an agent that is away is taken for one that comes back at once.
	returnsSoon = 5 * time.Second
	// comesSoon is how long a supervisor that has just started waits for agents that may be there: more
	// than one that is well waits between two tries.
	comesSoon = 7 * time.Second
	// comesBack is how long it waits for those that its job had in the run before.
	comesBack = 30 * time.Second
)

// sight is what is known as entries are matched with agents.
type sight struct {
	agents []fleet.Agent
	now    time.Time
	// before are the agents that may still come back to a supervisor that was started again.
	before []string
}

// match waits until each entry has its agents, and no agent that matches is away for a moment only.
func (r *runner) match(ctx context.Context, entries []config.JobEntry, wait time.Duration,
	before []string) ([]share, error) {
	late := time.NewTimer(wait)
	defer late.Stop()
	var told *bulkheadv1.JobWaits
	for {
		r.pace.keep()
		agents, changed := r.Fleet.Agents()
		now := sight{agents: agents, now: time.Now()}
		up := now.now.Sub(r.Since)
		if up < comesBack {
			now.before = before
		}
		shares, waits, err := matched(entries, now)
		if err != nil {
			return nil, err
		}
		if waits == nil && (up >= comesSoon || !r.patient || counted(entries)) {
			return shares, nil
		}
		if waits != nil && !proto.Equal(waits, told) {
			told = waits
			r.tell(&bulkheadv1.JobEvent{Event: &bulkheadv1.JobEvent_Waits{Waits: waits}})
		}
		select {
		case <-changed:
		case <-time.After(returnsSoon / 5): // those that are away for longer are given up
		case <-late.C:
			if waits == nil {
				return shares, nil
			}
			return nil, missing(entries, agents, waits)
		case <-r.stop:
			return nil, errEndedBefore
		case <-ctx.Done():
			return nil, errLeft
		}
	}
}

// counted reports whether every entry says how many agents it is for.
func counted(entries []config.JobEntry) bool {
	return !slices.ContainsFunc(entries, func(e config.JobEntry) bool { return e.Agents == 0 && e.On.Name == "" })
}

// matched returns who does what, or who is waited for.
func matched(entries []config.JobEntry, of sight) ([]share, *bulkheadv1.JobWaits, error) {
	waits := &bulkheadv1.JobWaits{}
	var list []job.Agent
	var there []fleet.Agent
	away := slices.Clone(of.before)
	for _, a := range of.agents {
		switch {
		case a.Connected && a.Reported:
			list, there = append(list, job.Agent{Name: a.Name, Labels: a.Labels}), append(there, a)
			away = slices.DeleteFunc(away, func(name string) bool { return name == a.Name })
		case of.now.Sub(a.Since) < returnsSoon && !slices.Contains(away, a.Name) &&
			slices.ContainsFunc(entries, func(e config.JobEntry) bool { return e.On.Matches(a.Name, a.Labels) }):
			waits.Agents = append(waits.Agents, a.Name)
		}
	}
	waits.Agents = append(waits.Agents, away...)
	who, err := job.Match(entries, list)
	if err != nil {
		return nil, nil, err
	}
	for k, n := range sizes(entries, who) {
		if n < max(entries[k].Agents, 1) {
			waits.Entries = append(waits.Entries, uint32(k))
		}
	}
	if len(waits.Entries)+len(waits.Agents) > 0 {
		return nil, waits, nil
	}
	var shares []share
	for i, entry := range who.Entry {
		if entry != job.None {
			shares = append(shares, share{agent: there[i], entry: entry,
				task: &bulkheadv1.Task{ClientName: there[i].Name}})
		}
	}
	return shares, nil, nil
}

// sizes returns how many agents each entry has.
func sizes(entries []config.JobEntry, who job.Assignment) []int {
	have := make([]int, len(entries))
	for _, k := range who.Entry {
		if k != job.None {
			have[k]++
		}
	}
	return have
}

// missing returns why a job has not the agents that it needs.
func missing(entries []config.JobEntry, agents []fleet.Agent, waits *bulkheadv1.JobWaits) error {
	var lines, there []string
	for _, k := range waits.GetEntries() {
		e := entries[k]
		have := 0
		for _, a := range agents {
			if a.Connected && e.On.Matches(a.Name, a.Labels) {
				have++
			}
		}
		line := fmt.Sprintf("clients[%d] (line %d): no agent is on %s", k, e.Line, e.On)
		if have > 0 {
			line = fmt.Sprintf("clients[%d] (line %d): %s %s on %s, of %d", k, e.Line, plural.Of(have, "agent"),
				plural.Is(have), e.On, e.Agents)
		}
		lines = append(lines, line)
	}
	for _, name := range waits.GetAgents() {
		lines = append(lines, fmt.Sprintf("agent %s is away", name))
	}
	for _, a := range agents {
		if a.Connected {
			there = append(there, a.Name)
		}
	}
	connected := "no agent is connected"
	if len(there) > 0 {
		more := ""
		if n := len(there) - mostNamed; n > 0 {
			there, more = there[:mostNamed], fmt.Sprintf(" and %d more", n)
		}
		connected = "connected are " + strings.Join(there, ", ") + more
	}
	return errors.New(strings.Join(append(lines, connected), "\n"))
}

// versionsOf returns who is of which version; nil if all are of one.
func versionsOf(supervisor string, shares []share) *bulkheadv1.JobVersions {
	v := &bulkheadv1.JobVersions{Supervisor: supervisor}
	differ := false
	for _, s := range shares {
		version := s.agent.Version
		differ = differ || version != supervisor
		at, found := slices.BinarySearchFunc(v.Agents, version, func(of *bulkheadv1.JobVersion, v string) int {
			return strings.Compare(of.GetVersion(), v)
		})
		if !found {
			v.Agents = slices.Insert(v.Agents, at, &bulkheadv1.JobVersion{Version: version})
		}
		v.Agents[at].Agents = append(v.Agents[at].Agents, s.agent.Name)
	}
	if !differ {
		return nil
	}
	return v
}
