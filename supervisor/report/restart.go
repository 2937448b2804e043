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
	// Changes are the settings that were others before, in words.
	Changes []string `json:"changes"`
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
	r.Changes = f.changed(e)
	switch e.GetKind() {
	case bulkheadv1.RestartKind_RESTART_KIND_RESTARTED:
		r.Kind = RestartRestarted
	case bulkheadv1.RestartKind_RESTART_KIND_UPGRADED:
		r.Kind = RestartUpgraded
	}
	f.restarted++
	f.restarts.add(r)
	f.run.ExpectedClients, f.run.ExpectedNames = r.ExpectedClients, namesOf(e.GetExpectedNames())
	if r.Listen != "" {
		f.run.Listen = r.Listen
	}
}

// changed says which settings are others with a supervisor that takes the run up, and goes
// on with those.
func (f *Folder) changed(e *bulkheadv1.SupervisorRestarted) []string {
	changes := []string{}
	change := func(name, was, is string) {
		if was != is {
			changes = append(changes, fmt.Sprintf("%s %s, before %s", name, is, was))
		}
	}
	change("clients", expectedWords(f.run.ExpectedClients, f.run.ExpectedNames), expectedWords(e.GetExpectedClients(), namesOf(e.GetExpectedNames())))
	if was, is := f.settings, e.GetSettings(); was != nil && is != nil {
		change("linger", human(was.GetLingerNano()), human(is.GetLingerNano()))
		change("session.grace", human(was.GetSessionGraceNano()), human(is.GetSessionGraceNano()))
		change("drain_timeout", human(was.GetDrainTimeoutNano()), human(is.GetDrainTimeoutNano()))
		change("keep_running", fmt.Sprint(was.GetKeepRunning()), fmt.Sprint(is.GetKeepRunning()))
		change("overload.max_clients", fmt.Sprint(was.GetMaxClients()), fmt.Sprint(is.GetMaxClients()))
		change("token", tokenWords(was), tokenWords(is))
		change("journal.sync", clean(was.GetJournalSync(), maxName), clean(is.GetJournalSync(), maxName))
	}
	if is := e.GetSettings(); is != nil {
		f.settings = is
		f.run.LingerNano, f.run.SessionGraceNano = max(is.GetLingerNano(), 0), max(is.GetSessionGraceNano(), 0)
		f.run.JournalSync = clean(is.GetJournalSync(), maxName)
	}
	return changes
}

func expectedWords(n uint32, names []string) string {
	if len(names) > 0 {
		return nameSome(names)
	}
	return count(uint64(n))
}

func tokenWords(s *bulkheadv1.Settings) string {
	if s.GetTokenRequired() {
		return "required"
	}
	return "not required"
}

// warnOfRestarts warns of restarts that nobody asked for, of settings that were changed, and
// of what was found torn.
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
		if len(r.Changes) > 0 {
			v.warn("the supervisor that took the run up at %s has other settings: %s", at, strings.Join(r.Changes, "; "))
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
