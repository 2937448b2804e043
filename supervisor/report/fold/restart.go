package fold

import (
	"fmt"
	"slices"
	"strings"

	"bulkhead/internal/human"
	"bulkhead/internal/plaintext"
	"bulkhead/internal/protocol"
	"bulkhead/internal/sandbox"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/cluster"
	"bulkhead/supervisor/journal"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

func (f *Folder) foldRestarted(e *bulkheadv1.SupervisorRestarted, at report.Stamp) {
	f.recordMinor = e.GetRecordMinor()
	r := report.Restart{
		At:              at,
		Kind:            report.RestartUnknown,
		Pid:             e.GetPid(),
		Version:         plaintext.Line(e.GetVersion(), plaintext.MaxName),
		GoVersion:       plaintext.Line(e.GetGoVersion(), plaintext.MaxName),
		ExpectedClients: e.GetExpectedClients(),
		Listen:          plaintext.Line(e.GetListen(), plaintext.MaxName),
		TornBytes:       e.GetTornBytes(),
		Torn:            plaintext.Lines(e.GetTorn()),
		HandlersKept:    e.GetHandlersKept(),
		HandlersGone:    e.GetHandlersGone(),

		TornMayBeAcknowledged: f.tornDamaged(e),
	}
	r.Changes = f.changed(e)
	switch e.GetKind() {
	case bulkheadv1.RestartKind_RESTART_KIND_RESTARTED:
		r.Kind = report.RestartRestarted
	case bulkheadv1.RestartKind_RESTART_KIND_UPGRADED:
		r.Kind = report.RestartUpgraded
	}
	f.restarted++
	f.restarts.add(r)
	f.run.ExpectedClients, f.run.ExpectedNames = r.ExpectedClients, namesOf(e.GetExpectedNames())
	if s := sandboxOf(e.GetSandbox()); s != nil {
		f.run.Sandbox = s
	}
	if r.Listen != "" {
		f.run.Listen = r.Listen
	}
}

// changed returns which settings are different with a supervisor that resumes the run, and
// takes over the new ones.
func (f *Folder) changed(e *bulkheadv1.SupervisorRestarted) []string {
	changes := []string{}
	change := func(name, was, is string) {
		if was != is {
			changes = append(changes, fmt.Sprintf("%s %s, before %s", name, is, was))
		}
	}
	change("clients", expectedWords(f.run.ExpectedClients, f.run.ExpectedNames),
		expectedWords(e.GetExpectedClients(), namesOf(e.GetExpectedNames())))
	if was, is := f.settings, e.GetSettings(); was != nil && is != nil {
		change("linger", human.Duration(was.GetLingerNano()), human.Duration(is.GetLingerNano()))
		change("session.grace", human.Duration(was.GetSessionGraceNano()), human.Duration(is.GetSessionGraceNano()))
		change("drain_timeout", human.Duration(was.GetDrainTimeoutNano()), human.Duration(is.GetDrainTimeoutNano()))
		change("keep_running", fmt.Sprint(was.GetKeepRunning()), fmt.Sprint(is.GetKeepRunning()))
		change("overload.max_clients", fmt.Sprint(was.GetMaxClients()), fmt.Sprint(is.GetMaxClients()))
		change("token", tokenWords(was), tokenWords(is))
		change("tls", tlsWords(was), tlsWords(is))
		change("journal.sync", plaintext.Line(was.GetJournalSync(), plaintext.MaxName),
			plaintext.Line(is.GetJournalSync(), plaintext.MaxName))
	}
	if is := e.GetSettings(); is != nil {
		f.settings = is
		f.run.Certificate = certificateOf(is.GetCertificate())
		f.run.LingerNano, f.run.SessionGraceNano = max(is.GetLingerNano(), 0), max(is.GetSessionGraceNano(), 0)
		f.run.JournalSync = plaintext.Line(is.GetJournalSync(), plaintext.MaxName)
	}
	return changes
}

func expectedWords(n uint32, names []string) string {
	if len(names) > 0 {
		return words.NameSome(names)
	}
	return human.Count(uint64(n))
}

func tokenWords(s *bulkheadv1.Settings) string {
	if s.GetTokenRequired() {
		return "required"
	}
	return "not required"
}

func tlsWords(s *bulkheadv1.Settings) string {
	switch {
	case s.GetCertificate() == nil:
		return "off"
	case s.GetClientCertificates():
		return "on, with certificates of clients"
	default:
		return "on"
	}
}

// lostAcknowledged reports whether a record proves that the journal lost what it had
// acknowledged: told says so, and its texts do in records of before it.
func (f *Folder) lostAcknowledged(told bool, texts ...string) bool {
	if f.recordMinor >= protocol.RecordMinorLoss {
		return told
	}
	return slices.ContainsFunc(texts,
		func(text string) bool { return strings.Contains(text, journal.LostAcknowledged) })
}

// tornDamaged reports whether what was set aside of the journal's end was damaged, and not
// only cut short. Records of before that field say so in words.
func (f *Folder) tornDamaged(e *bulkheadv1.SupervisorRestarted) bool {
	if f.recordMinor >= protocol.RecordMinorLoss {
		return e.GetTornDamaged()
	}
	return strings.Contains(e.GetTorn(), journal.MayBeAcknowledged)
}

// maxGaps bounds the layers that a record may name: there are fewer.
const maxGaps = 32

// sandboxOf returns how handlers were locked in; nil where the record does not tell.
func sandboxOf(s *bulkheadv1.Sandbox) *report.Sandbox {
	if s == nil {
		return nil
	}
	out := &report.Sandbox{State: report.SandboxUnknown, UnlockedHandlers: s.GetUnlockedHandlers()}
	switch s.GetState() {
	case bulkheadv1.SandboxState_SANDBOX_STATE_FULL:
		out.State = report.SandboxFull
	case bulkheadv1.SandboxState_SANDBOX_STATE_REDUCED:
		out.State = report.SandboxReduced
	case bulkheadv1.SandboxState_SANDBOX_STATE_OFF:
		out.State = report.SandboxOff
	}
	for _, gap := range s.GetMissing()[:min(len(s.GetMissing()), maxGaps)] {
		name := "unknown"
		for _, w := range sandbox.Walls() {
			if w.Layer == sandbox.Layer(gap.GetLayer()) {
				name = w.Name
			}
		}
		out.Missing = append(out.Missing,
			report.SandboxGap{Layer: name, Reason: plaintext.Line(gap.GetReason(), plaintext.MaxText)})
	}
	return out
}

const (
	// maxSupervisors is how many supervisors of a run are kept, the first ones, and maxUnproven how many
	// reasons why its journal is not proven.
	maxSupervisors = 100
	maxUnproven    = 20
)

func (f *Folder) foldJoined(e *bulkheadv1.SupervisorJoined, at report.Stamp) {
	f.supervisors.add(report.Supervisor{Number: e.GetSupervisor(), Before: e.GetBefore(), JoinedAt: at,
		Host: hostOf(e.GetHost()), Listen: plaintext.Line(e.GetListen(), plaintext.MaxName), Pid: e.GetPid(),
		Version: plaintext.Line(e.GetVersion(), plaintext.MaxName)})
}

// supervisor returns the supervisor of a number; nil if it is not kept.
func (f *Folder) supervisor(number uint32) *report.Supervisor {
	for i := range f.supervisors.items {
		if s := &f.supervisors.items[i]; s.Number == number {
			return s
		}
	}
	return nil
}

func (f *Folder) foldLeft(e *bulkheadv1.SupervisorLeft, at report.Stamp) {
	s := f.supervisor(e.GetSupervisor())
	if s == nil {
		return
	}
	s.LeftAt, s.Left, s.LeftBy = at, report.LeftUnknown, e.GetBy()
	s.LeftSessions += e.GetSessions() // several may take some
	switch e.GetHow() {
	case bulkheadv1.SupervisorLeave_SUPERVISOR_LEAVE_ASKED:
		s.Left = report.LeftAsked
	case bulkheadv1.SupervisorLeave_SUPERVISOR_LEAVE_SILENT:
		s.Left = report.LeftSilent
	}
}

func (f *Folder) foldUnavailable(e *bulkheadv1.JournalUnavailable, at report.Stamp) {
	length := durationOrNone(e.GetUnavailableNano())
	f.outages.add(report.JournalOutage{At: max(at-report.Stamp(length), f.run.StartedAt), LengthNano: length,
		Supervisor: e.GetSupervisor()})
}

func (f *Folder) foldUnproven(e *bulkheadv1.JournalUnproven) {
	for _, text := range e.GetProblems() {
		f.unproven.Add(plaintext.Line(text, plaintext.MaxText))
	}
	if len(e.GetProblems()) == 0 {
		f.unproven.Add("nobody said why")
	}
}

// served counts a connection for its supervisor; before is the one of the session before it, nil for
// none.
func (f *Folder) served(connection uint64, before *link) {
	s := f.supervisor(supervisorOf(connection))
	if s == nil {
		return
	}
	s.Connections++
	if before != nil && before.Supervisor != s.Number {
		s.TakenOver++
	}
}

// supervisorOf returns the number of the supervisor that had a connection; 0 in a run that none shares.
func supervisorOf(connection uint64) uint32 {
	supervisor, _ := cluster.ConnectionOf(connection)
	return supervisor
}

// addSupervisors adds to a report what is known of a run that several supervisors may share.
func (f *Folder) addSupervisors(run *report.Run) {
	run.Supervisors, run.SupervisorsLeftOut = slices.Clone(f.supervisors.items), f.supervisors.leftOut
	for i := range run.Supervisors {
		run.Supervisors[i].Text = words.Supervisor(run, &run.Supervisors[i])
	}
	run.JournalOutages, run.JournalOutagesLeftOut = slices.Clone(f.outages.items), f.outages.leftOut
	run.JournalUnproven = append([]string(nil), f.unproven.Order...)
}

// sharedEvents returns who joined a run and left it, and when its engine could not be reached.
func sharedEvents(run *report.Run) []report.Event {
	var list []report.Event
	for i := range run.Supervisors {
		s := &run.Supervisors[i]
		list = append(list, report.Event{At: s.JoinedAt, Kind: report.EventJoined,
			Text: fmt.Sprintf("supervisor %d joined, on %s", s.Number, human.OrDash(s.Host.Name))})
		if s.LeftAt != 0 {
			list = append(list, report.Event{At: s.LeftAt, Kind: report.EventLeft, Text: words.SupervisorLeft(s)})
		}
	}
	for _, o := range run.JournalOutages {
		list = append(list, report.Event{At: o.At, EndAt: o.At + report.Stamp(o.LengthNano),
			Kind: report.EventUnavailable, Text: fmt.Sprintf(
				"supervisor %d could not reach the journal's engine: nothing was acknowledged there", o.Supervisor)})
	}
	return list
}

// hostOf returns a machine of a supervisor.
func hostOf(host *bulkheadv1.Host) report.Host {
	return report.Host{
		Name:        plaintext.Line(host.GetName(), plaintext.MaxName),
		OS:          plaintext.Line(host.GetOs(), plaintext.MaxName),
		Arch:        plaintext.Line(host.GetArch(), plaintext.MaxName),
		Kernel:      plaintext.Line(host.GetKernel(), plaintext.MaxName),
		CPUs:        host.GetCpus(),
		MemoryBytes: host.GetMemoryBytes(),
	}
}
