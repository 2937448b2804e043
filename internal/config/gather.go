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

// checkGather reports what no single key shows to be wrong with how clients are gathered.
func (s *Supervisor) checkGather(l *loader) {
	_, short := l.origins["gather.if_short"]
	_, counted := l.origins["clients"]
	switch {
	case l.broken["gather.timeout"]:
	case s.Gather.Timeout == 0 && short && s.Gather.IfShort != IfShortAbort:
		l.report(l.origins["gather.if_short"], "gather.if_short", "is nothing without gather.timeout; set both")
	case s.Gather.Timeout == 0:
	case !counted:
		l.report(l.origins["gather.timeout"], "gather.timeout",
			"gathers clients, and clients does not say how many; set clients too")
	case s.WaitClients > 0:
		l.report(l.origins["wait_clients"], "wait_clients",
			"is for runs that do not gather; gather.timeout is how long this one waits")
	}
}
