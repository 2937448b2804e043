package report

import (
	"fmt"
	"strings"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/journal"
)

// Kinds of a Restart.
const (
	RestartRestarted = "restarted"
	RestartUpgraded  = "upgraded"
	RestartUnknown   = "unknown"
)

// Restart is another supervisor, or another version of it, that took the run up.
type Restart struct {
	At Stamp `json:"at"`
	// Kind is one of the Restart… constants.
	Kind      string `json:"kind"`
	Pid       int32  `json:"pid"`
	Version   string `json:"version"`
	GoVersion string `json:"go_version"`
	// ExpectedClients and Listen are what its configuration says.
	ExpectedClients uint32 `json:"expected_clients"`
	Listen          string `json:"listen"`
	// TornBytes is how much of the journal's end was incomplete and set aside; none of
	// it was ever acknowledged, unless TornMayBeAcknowledged. Torn says what was wrong
	// with it.
	TornBytes             uint64 `json:"torn_bytes"`
	Torn                  string `json:"torn"`
	TornMayBeAcknowledged bool   `json:"torn_may_be_acknowledged"`
	// HandlersKept were taken up again with their client's connection, HandlersGone
	// had ended.
	HandlersKept uint32 `json:"handlers_kept"`
	HandlersGone uint32 `json:"handlers_gone"`
}

func (f *Folder) foldRestarted(e *bulkheadv1.SupervisorRestarted, at Stamp) {
	r := Restart{
		At:              at,
		Kind:            RestartUnknown,
		Pid:             e.GetPid(),
		Version:         clean(e.GetVersion(), maxName),
		GoVersion:       clean(e.GetGoVersion(), maxName),
		ExpectedClients: e.GetExpectedClients(),
		Listen:          clean(e.GetListen(), maxName),
		TornBytes:       e.GetTornBytes(),
		Torn:            cleanLines(e.GetTorn()),
		HandlersKept:    e.GetHandlersKept(),
		HandlersGone:    e.GetHandlersGone(),

		TornMayBeAcknowledged: strings.Contains(e.GetTorn(), journal.MayBeAcknowledged),
	}
	switch e.GetKind() {
	case bulkheadv1.RestartKind_RESTART_KIND_RESTARTED:
		r.Kind = RestartRestarted
	case bulkheadv1.RestartKind_RESTART_KIND_UPGRADED:
		r.Kind = RestartUpgraded
	}
	f.restarted++
	f.restarts.add(r)
	f.run.ExpectedClients = r.ExpectedClients
	if r.Listen != "" {
		f.run.Listen = r.Listen
	}
}

// warnOfRestarts warns of restarts that nobody asked for, and of what was found torn.
func (v *Verdict) warnOfRestarts(run *Run) {
	for i := range run.Restarts {
		r := &run.Restarts[i]
		at := timeOfDay(run.StartedAt, r.At)
		switch r.Kind {
		case RestartRestarted:
			v.warn("the supervisor was killed and restarted at %s; %s", at, r.handlers())
		case RestartUnknown:
			v.warn("another supervisor took the run up at %s; %s", at, r.handlers())
		}
		switch {
		case r.TornMayBeAcknowledged:
			v.warn("the journal's end was damaged at %s: %s set aside%s", at, plural(r.TornBytes, "byte"), because(r.Torn))
		case r.TornBytes > 0 || r.Torn != "":
			v.warn("the journal ended in the middle of a record at %s: %s set aside, never acknowledged%s",
				at, plural(r.TornBytes, "byte"), because(r.Torn))
		}
	}
	if n := run.RestartsLeftOut; n > 0 {
		v.warn("the supervisor was restarted or upgraded %s more before that", plural(n, "time"))
	}
}

// handlers says what became of the handlers.
func (r *Restart) handlers() string {
	all := uint64(r.HandlersKept) + uint64(r.HandlersGone)
	if all == 0 {
		return "there was no handler to take up again"
	}
	verb := "were"
	if r.HandlersKept == 1 || all == 1 {
		verb = "was"
	}
	return fmt.Sprintf("%d of %s %s taken up again", r.HandlersKept, plural(all, "handler"), verb)
}
