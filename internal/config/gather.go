package config

import "time"

// Gather says whether the clients of a run begin to write in the same instant.
type Gather struct {
	// Timeout is how long they are gathered for that; 0 is not at all.
	Timeout time.Duration
	// IfShort is what is done when not all are ready then.
	IfShort IfShort
}

// IfShort says what a run does of which not all clients are ready in time.
type IfShort string

// The choices of IfShort.
const (
	// IfShortAbort drains the run before anybody has written.
	IfShortAbort IfShort = "abort"
	// IfShortStart lets those begin that are ready.
	IfShortStart IfShort = "start"
)

// fields declares the keys of a gather.
func (g *Gather) fields() []field {
	return []field{
		durationField("gather.timeout", &g.Timeout, 0, 0, 24*time.Hour,
			"How long clients are gathered, so that all begin to write in the same instant; 0s is not at all."),
		choiceField("gather.if_short", &g.IfShort, IfShortAbort,
			"What is done when not all clients are ready in that time: the run is drained before anybody has written "+
				"(abort), or those begin that are ready (start).", IfShortAbort, IfShortStart),
	}
}

// check reports a choice that nothing comes of.
func (g *Gather) check(l *loader) {
	_, short := l.origins["gather.if_short"]
	if g.Timeout == 0 && short && g.IfShort != IfShortAbort && !l.broken["gather.timeout"] {
		l.report(l.origins["gather.if_short"], "gather.if_short", "is nothing without gather.timeout; set both")
	}
}

// checkGather reports what no single key shows to be wrong with how clients are gathered.
func (s *Supervisor) checkGather(l *loader) {
	_, counted := l.origins["clients"]
	s.Gather.check(l)
	switch {
	case l.broken["gather.timeout"]:
	case s.Gather.Timeout == 0:
	case !counted:
		l.report(l.origins["gather.timeout"], "gather.timeout",
			"gathers clients, and clients does not say how many; set clients too")
	case s.WaitClients > 0:
		l.report(l.origins["wait_clients"], "wait_clients",
			"is for runs that do not gather; gather.timeout is how long this one waits")
	}
}
