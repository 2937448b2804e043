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
