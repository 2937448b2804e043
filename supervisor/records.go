package supervisor

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"time"

	"bulkhead/internal/boottime"
	"bulkhead/internal/failpoint"
	"bulkhead/internal/pathname"
	"bulkhead/internal/protocol"
	"bulkhead/supervisor/rundir"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// What is kept of a Hello, which can be as large as a frame while its session continues for
// as long as the run: the journal has the whole of it.

// ofConnection returns the part of a Hello that is about its connection.
func ofConnection(h *bulkheadv1.Hello) *bulkheadv1.Hello {
	return &bulkheadv1.Hello{
		WallClockUnixNano: h.GetWallClockUnixNano(), ElapsedNano: h.GetElapsedNano(), Absence: h.GetAbsence(),
		StarvedNano: h.GetStarvedNano(), LastEnd: h.GetLastEnd(),
		Host: h.GetHost(), Pid: h.GetPid(), LastConnection: h.GetLastConnection(), Instance: h.GetInstance(),
		SentSeq: h.SentSeq,
	}
}

// What a processor journals of its session.

// attachRecord also notes the connection as the session's.
func (p *processor) attachRecord(l *link) *bulkheadv1.Record {
	p.connection = l.id
	bound := p.bound
	p.bound = nil
	return &bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionAttached{SessionAttached: &bulkheadv1.SessionAttached{
		Session: p.number, ConnectionId: l.id, HandlerPid: int32(l.child.Pid()), Peer: l.peer, ResumeAfter: p.durable,
		ClientWallClockUnixNano: l.hello.GetWallClockUnixNano(), ClientElapsedNano: l.hello.GetElapsedNano(),
		Absence: l.hello.GetAbsence(), StarvedNano: l.hello.GetStarvedNano(), LastEnd: clipped(l.hello.GetLastEnd()),
		Connection: p.holder.Welcomes, Instance: p.holder.Instance, Identity: bound,
	}}}
}

func (p *processor) detachRecord(class bulkheadv1.DetachClass, cause string, silent time.Duration) *bulkheadv1.Record {
	return &bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionDetached{SessionDetached: &bulkheadv1.SessionDetached{
		Session: p.number, ConnectionId: p.connection, Cause: clipped(cause), Class: class, SilentNano: int64(silent),
		LostAcknowledged: errors.Is(p.lie, errLostAcknowledged),
	}}}
}

func (p *processor) endRecord(now phase, cause string) *bulkheadv1.Record {
	end := &bulkheadv1.SessionEnded{Session: p.number, Outcome: now.outcome(), Cause: clipped(cause),
		LastSeq: p.durable}
	if now == quarantined {
		end.KilledHandlers = uint32(p.poison.Kills)
		var err error
		failpoint.Hit("supervisor/before-quarantine")
		if end.QuarantineFile, err = rundir.KeepFrame(p.run.dir, p.id, p.frame); err != nil {
			p.log.Error(err.Error())
		}
		failpoint.Hit("supervisor/after-quarantine")
	}
	return &bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionEnded{SessionEnded: end}}
}

// poisonCause returns in words what quarantined the session.
func (p *processor) poisonCause(last string) string {
	return fmt.Sprintf("%d handlers in a row died on what follows message %d (the last one: %s)", p.poison.Kills,
		p.durable, last)
}

// maxWords bounds what the journal keeps of a text that somebody else chose, in bytes.
const maxWords = 1024

// clipped returns a text that somebody else chose as the journal keeps it: valid UTF-8, and not
// long.
func clipped(s string) string { return pathname.Clip(s, maxWords) }

// runStarted returns a run's first record.
func runStarted(cfg Config, id string, listen net.Addr, locks *bulkheadv1.Sandbox) *bulkheadv1.RunStarted {
	return &bulkheadv1.RunStarted{
		RunId: id, Version: cfg.Version, GoVersion: runtime.Version(), Host: rundir.Host(),
		Listen: listen.String(), ExpectedClients: uint32(cfg.Clients.Count), LingerNano: int64(cfg.Linger),
		SessionGraceNano: int64(cfg.Session.Grace), JournalSync: string(cfg.Journal.Sync), Pid: int32(os.Getpid()),
		BootId: boottime.ID(), ExpectedNames: cfg.Clients.Names, Settings: settingsOf(cfg),
		RecordMinor: protocol.RecordMinor, Sandbox: locks,
		Gather: gatherOf(cfg), WaitClientsNano: int64(cfg.WaitClients), Assertions: assertionTexts(cfg.Assert),
	}
}

// supervisorJoined returns what a run on an engine has of this supervisor.
func supervisorJoined(cfg Config, listen net.Addr) *bulkheadv1.SupervisorJoined {
	return &bulkheadv1.SupervisorJoined{Host: rundir.Host(), Listen: listen.String(), Pid: int32(os.Getpid()),
		Version: cfg.Version}
}

// settingsOf returns the settings that an operator may change when the run is resumed.
func settingsOf(cfg Config) *bulkheadv1.Settings {
	return &bulkheadv1.Settings{
		LingerNano: int64(cfg.Linger), SessionGraceNano: int64(cfg.Session.Grace),
		DrainTimeoutNano: int64(cfg.DrainTimeout),
		KeepRunning:      cfg.KeepRunning, MaxClients: uint32(cfg.Overload.MaxClients),
		TokenRequired: cfg.Token != "" || cfg.TokenFile != "" || cfg.Tokens != "",
		JournalSync:   string(cfg.Journal.Sync), Certificate: cfg.credentials().Certificate(),
		ClientCertificates: cfg.credentials().AsksCertificate(), ClientTokens: cfg.Tokens != "",
	}
}
