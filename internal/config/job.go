package config

import (
	"fmt"
	"time"

	"bulkhead/internal/assertion"
	"bulkhead/internal/protocol"
	"bulkhead/internal/workload"
)

// Job is a campaign: who writes what, and how often.
type Job struct {
	// Name is shown to people.
	Name string
	// Clients says which agents start a client, and its load; at least one entry. An agent that
	// several match is the matcher's to refuse: which agents there are is not in the file.
	Clients []JobEntry
	Gather  Gather
	// FleetRate bounds what all clients of a run write in a second together; 0 is no bound. It is divided over
	// their consumers, which have no rates of their own then.
	FleetRate Rate
	// Assert is what each run must keep.
	Assert []assertion.Assertion
	// Repeat is how many runs there are, one after the other; at least 1.
	Repeat int
	// Pause is the time between two runs.
	Pause time.Duration
	// Join says when an agent begins that comes while a run goes on.
	Join Join
	// Text is the whole file, at most MaxFile bytes.
	Text string
}

// JobEntry is what some agents are to do.
type JobEntry struct {
	// Line is where the entry stands in its file, from 1.
	Line int
	On   JobTarget
	// Agents is how many there must be at least; 0 is not told, and one is enough.
	Agents int
	Load   JobLoad
}

// Join says when an agent begins that comes while a run of a job goes on.
type Join string

// The choices of Join.
const (
	// JoinNext lets it begin with the next run.
	JoinNext Join = "next"
	// JoinNow lets it begin at once.
	JoinNow Join = "now"
)

// MaxJobEntries is how many entries a job has at most, and MaxRepeat how many runs.
const (
	MaxJobEntries = 256
	MaxRepeat     = 1000
	maxJobAgents  = 1024
	// maxFleet is how many times as much as a consumer a fleet may write.
	maxFleet = 1000
)

// LoadJob returns the job that a YAML file describes. The error is of type Problems and holds
// every reason why it is refused.
func LoadJob(file string) (Job, error) {
	var j Job
	l := newLoader(file)
	l.other, l.others = "load", loadFields(new(Client))
	parts := &jobParts{}
	fields := j.fields(parts)
	for _, f := range fields {
		f.reset()
	}
	if l.readFile(fields) {
		j.assemble(l, parts)
		j.check(l)
		j.Text = l.source
	}
	if len(l.problems) > 0 {
		return Job{}, l.refusal()
	}
	return j, nil
}

// JobKeys lists the keys of a job in the order of its file, those of an entry, but for its load,
// last.
func JobKeys() []Key {
	fields := new(Job).fields(new(jobParts))
	for _, f := range new(JobEntry).fields(new(entry)) {
		f.Name = "clients[]." + f.Name
		fields = append(fields, f)
	}
	keys := make([]Key, len(fields))
	for i, f := range fields {
		keys[i] = f.Key
	}
	return keys
}

// jobParts are the parts of a job's file that are read when all of it is known: the defaults of a
// load may stand below the loads.
type jobParts struct {
	entries  []entry
	defaults entry
}

// fields declares the keys of a job.
func (j *Job) fields(parts *jobParts) []field {
	fields := []field{
		textField("job", &j.Name, "", protocol.CheckName, fmt.Sprintf("1 to %d bytes", protocol.MaxNameBytes),
			"Name of the job, for people."),
		{
			Key: Key{Name: "clients", Kind: "list",
				Valid: fmt.Sprintf("1 to %d entries of on, agents, load", MaxJobEntries),
				Help:  "Which agents start a client, and the load of each. An agent may match one entry only."},
			reset: func() { j.Clients = nil },
			node: func(l *loader, e entry) {
				l.items(e, "a list of entries, as in [{on: all}]", func(item entry) {
					parts.entries = append(parts.entries, item)
				})
			},
		},
		loadField(&parts.defaults, "What the loads of all entries have in common."),
	}
	fields = append(fields, j.Gather.fields()...)
	return append(fields,
		sizeField("fleet_rate.bytes", &j.FleetRate.Bytes, 0, 0, maxFleet*workload.MaxRateBytes,
			"Most bytes that all clients of a run write in a second together; 0 is no limit."),
		amountField("fleet_rate.chunks", &j.FleetRate.Chunks, 0, 0, maxFleet*workload.MaxRateChunks,
			"Most chunks that all clients of a run write in a second together; 0 is no limit."),
		assertField(&j.Assert),
		countField("repeat", &j.Repeat, 1, 1, MaxRepeat, "How many runs there are, one after the other."),
		durationField("pause", &j.Pause, 0, 0, 24*time.Hour, "Time between two runs."),
		choiceField("join", &j.Join, JoinNext, "When an agent begins that comes while a run goes on: with the next "+
			"run, or now, whose figures are of its own time then.", JoinNext, JoinNow),
	)
}

// loadField declares a load, of which it keeps where it stands.
func loadField(dst *entry, help string) field {
	return field{
		Key:   Key{Name: "load", Kind: "map", Valid: "the keys of a client that describe a load", Help: help},
		reset: func() { *dst = entry{} },
		node:  func(_ *loader, e entry) { *dst = e },
	}
}

// fields declares the keys of an entry.
func (j *JobEntry) fields(load *entry) []field {
	return []field{
		targetField("on", &j.On, "Which agents start a client."),
		countField("agents", &j.Agents, 0, 0, maxJobAgents, "How many there must be at least: fewer are waited for, "+
			"and without that many nothing is begun. With 0 one is enough."),
		loadField(load, "The load of each of these clients, over what all have in common."),
	}
}

// assemble reads the entries and their loads.
func (j *Job) assemble(l *loader, parts *jobParts) {
	base := newLoadReader(l)
	base.read(parts.defaults)
	for i, item := range parts.entries {
		if i == MaxJobEntries {
			l.problem(l.at(item), "clients", fmt.Sprintf("has %d entries; use at most %d", len(parts.entries),
				MaxJobEntries))
			return
		}
		one, load := JobEntry{Line: item.line}, entry{}
		l.section(item, "", one.fields(&load))
		if on := join(item.path, "on"); l.origins[on].source == fromDefault && !l.broken[on] &&
			!l.broken[item.path] {
			l.problem(l.at(item), on, "is missing; use "+validTarget)
		}
		own := base.over()
		if load.node == nil {
			load = entry{path: join(item.path, "load"), line: item.line}
		}
		own.read(load)
		one.Load = own.load(load)
		j.Clients = append(j.Clients, one)
	}
}

// check reports what no single key shows to be wrong.
func (j *Job) check(l *loader) {
	missing := func(key, text string) {
		if _, given := l.origins[key]; !given && !l.broken[key] && !l.broken[""] {
			l.problem(origin{source: fromFile, name: l.file}, key, text)
		}
	}
	missing("job", "is missing; give the job a name, as in job: nightly")
	missing("clients", "is missing; say which agents start a client, as in [{on: all}]")
	if at, given := l.origins["clients"]; given && len(j.Clients) == 0 && !l.broken["clients"] {
		l.problem(at, "clients", "has no entries; say which agents start a client, as in [{on: all}]")
	}
	j.Gather.check(l)
	j.checkFleetRate(l)
	if at, given := l.origins["join"]; given && j.Join == JoinNow && j.Gather.Timeout > 0 &&
		j.Gather.IfShort == IfShortAbort && !l.broken["gather.timeout"] && !l.broken["gather.if_short"] {
		l.report(at, "join", "lets those begin later that come later, and gather.if_short ends a run without them; "+
			"set gather.if_short to start, or leave join out")
	}
	if at, given := l.origins["pause"]; given && j.Pause > 0 && j.Repeat == 1 && !l.broken["repeat"] {
		l.report(at, "pause", "is between two runs, and there is one; set repeat, too, as in 5")
	}
}

// checkFleetRate reports what sets a rate beside the one that all clients have together, and one that leaves
// a consumer nothing.
func (j *Job) checkFleetRate(l *loader) {
	if j.FleetRate == (Rate{}) || l.broken["fleet_rate.bytes"] || l.broken["fleet_rate.chunks"] {
		return
	}
	key := "fleet_rate.bytes"
	if j.FleetRate.Bytes == 0 {
		key = "fleet_rate.chunks"
	}
	at, consumers := l.origins[key], 0
	for i, e := range j.Clients {
		c := e.Load.Settings
		consumers += max(e.Agents, 1) * c.ConsumerCount
		set := ""
		for _, one := range c.Consumers() {
			if one.Rate != (Rate{}) {
				set = "rate"
			}
		}
		if len(c.Stages) > 0 {
			set = "stages"
		}
		if set != "" {
			l.report(at, key, fmt.Sprintf("sets how fast all clients write together, and the load of clients[%d] "+
				"(line %d) has %s of its own; leave one of them out", i, e.Line, set))
		}
	}
	if n := uint64(consumers); j.FleetRate.Bytes > 0 && uint64(j.FleetRate.Bytes) < n {
		l.report(l.origins["fleet_rate.bytes"], "fleet_rate.bytes", fmt.Sprintf("is less than a byte a second for "+
			"each of %d consumers; use more", n))
	}
	if at := l.origins["fleet_rate.chunks"]; j.FleetRate.Chunks > 0 && j.FleetRate.Chunks*1000 < float64(consumers) {
		l.report(at, "fleet_rate.chunks", fmt.Sprintf("is less than a chunk in 1000 seconds for each of %d consumers; "+
			"use more", consumers))
	}
}
