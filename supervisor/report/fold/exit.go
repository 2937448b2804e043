package fold

import (
	"bulkhead/internal/plaintext"
	"bulkhead/internal/reason"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/judge"
)

// exitOf converts how a process ended, whose times moment puts on an axis. Numbers without
// sense become 0.
func exitOf(e *bulkheadv1.ProcessExit, moment func(wall, elapsed int64) report.Stamp) report.Exit {
	return report.Exit{
		Class:            exitClassOf(e),
		Code:             e.GetExitCode(),
		Signal:           e.GetSignal(),
		Cause:            plaintext.Lines(e.GetCause()),
		EndedWork:        endedWork(e.GetEndedWork()),
		StartedAt:        moment(e.GetStartedUnixNano(), e.GetStartedElapsedNano()),
		EndedAt:          moment(e.GetEndedUnixNano(), e.GetEndedElapsedNano()),
		UserCPUNano:      durationOrNone(e.GetUserCpuNano()),
		SystemCPUNano:    durationOrNone(e.GetSystemCpuNano()),
		MaxResidentBytes: e.GetMaxResidentBytes(),
		ReadBlocks:       e.GetReadBlocks(),
		WrittenBlocks:    e.GetWrittenBlocks(),
		MajorFaults:      e.GetMajorFaults(),
	}
}

// exitClassOf returns the class of an exit. On the wire a consumer that did as on_error says
// has the class of all that end with another status than 0.
func exitClassOf(e *bulkheadv1.ProcessExit) string {
	if e.GetClass() == bulkheadv1.ExitClass_EXIT_CLASS_CRASH && e.GetSignal() == 0 &&
		e.GetEndedWork() == bulkheadv1.StopReason_STOP_REASON_FAILED {
		return report.ExitStopped
	}
	return exitClass(e.GetClass())
}

// endedWork returns why a process ended its work before it was asked to; "" if it did not.
func endedWork(r bulkheadv1.StopReason) string {
	if r == bulkheadv1.StopReason_STOP_REASON_UNSPECIFIED {
		return ""
	}
	reason, _ := endingOf(r)
	return reason
}

func exitClass(c bulkheadv1.ExitClass) string {
	switch c {
	case bulkheadv1.ExitClass_EXIT_CLASS_CLEAN:
		return report.ExitClean
	case bulkheadv1.ExitClass_EXIT_CLASS_CRASH:
		return report.ExitCrash
	case bulkheadv1.ExitClass_EXIT_CLASS_KILLED:
		return report.ExitKilled
	case bulkheadv1.ExitClass_EXIT_CLASS_NEVER:
		return report.ExitNever
	case bulkheadv1.ExitClass_EXIT_CLASS_NOT_STARTED:
		return report.ExitNotStarted
	case bulkheadv1.ExitClass_EXIT_CLASS_OOM:
		return report.ExitOOM
	case bulkheadv1.ExitClass_EXIT_CLASS_HANG:
		return report.ExitHang
	case bulkheadv1.ExitClass_EXIT_CLASS_PROTOCOL:
		return report.ExitProtocol
	case bulkheadv1.ExitClass_EXIT_CLASS_ORPHANED:
		return report.ExitOrphaned
	case bulkheadv1.ExitClass_EXIT_CLASS_SANDBOX:
		return report.ExitSandbox
	case bulkheadv1.ExitClass_EXIT_CLASS_UNSPECIFIED:
		return report.ExitUnknown
	default:
		return unknownValue(c)
	}
}

// stampOrNone returns t, or none if it cannot be a wall clock.
func stampOrNone(t int64) report.Stamp {
	if !saneTime(t) {
		return 0
	}
	return report.Stamp(t)
}

// durationOrNone returns d, or 0 if it cannot be a measured duration.
func durationOrNone(d int64) int64 {
	if !saneDurations(d) {
		return 0
	}
	return d
}

// endingOf returns the name of a reason to stop, and what it makes of the load: each reason
// makes exactly one thing of it.
func endingOf(r bulkheadv1.StopReason) (reason, load string) {
	switch r {
	case bulkheadv1.StopReason_STOP_REASON_RUNTIME:
		return report.StopRuntime, report.LoadWhole
	case bulkheadv1.StopReason_STOP_REASON_STEADY:
		return report.StopSteady, report.LoadWhole
	case bulkheadv1.StopReason_STOP_REASON_TOTAL:
		return report.StopTotal, report.LoadWhole
	case bulkheadv1.StopReason_STOP_REASON_RESERVE:
		return report.StopReserve, report.LoadWhole
	case bulkheadv1.StopReason_STOP_REASON_INTERRUPTED:
		return report.StopInterrupted, report.LoadInterrupted
	case bulkheadv1.StopReason_STOP_REASON_HANGUP:
		return report.StopHangup, report.LoadInterrupted
	case bulkheadv1.StopReason_STOP_REASON_DRAINED:
		return report.StopDrained, report.LoadInterrupted
	case bulkheadv1.StopReason_STOP_REASON_FAILED:
		return report.StopFailed, report.LoadFailed
	case bulkheadv1.StopReason_STOP_REASON_UNSPECIFIED:
		return report.StopUnknown, report.LoadUnknown
	default:
		return unknownValue(r), report.LoadUnknown
	}
}

func (f *Folder) foldAttached(e *bulkheadv1.SessionAttached, at report.Stamp) error {
	return f.withSession(e.GetSession(), func(s *sessionState) error {
		if kept, err := s.keeps(e.GetConnectionId(), f.restarted, at); kept || err != nil {
			return err
		}
		h := &report.Handler{
			Pid:          e.GetHandlerPid(),
			ConnectionID: e.GetConnectionId(),
			Session:      e.GetSession(),
			Peer:         plaintext.Line(e.GetPeer(), plaintext.MaxName),
		}
		f.handlers.add(h)
		f.serving[h.ConnectionID] = h
		s.handler = h
		f.served(e.GetConnectionId(), s.connections.find(func(*link) bool { return true }))
		s.foldAttached(e, f.restarted, at)
		return nil
	})
}

func (f *Folder) foldHandlerExited(e *bulkheadv1.HandlerExited) {
	id := e.GetConnectionId()
	h := f.serving[id]
	if h == nil {
		h = &report.Handler{ConnectionID: id, Session: e.GetSession()}
		f.handlers.add(h)
	}
	delete(f.serving, id)
	exit := exitOf(e.GetExit(), f.clock.exit)
	h.Exit = &exit
	if s := f.sessions[e.GetSession()]; s != nil {
		s.foldHandlerEnd(id, exit.Class)
		if n := e.GetWindowExceeded(); n > 0 {
			s.said.add(report.WindowBroken, n, false, func() string { return "counted by its handlers" })
		}
	}
	if pid := e.GetExit().GetProcess().GetPid(); pid != 0 {
		h.Pid = pid
	}
	if peer := e.GetPeer(); peer != "" {
		h.Peer = plaintext.Line(peer, plaintext.MaxName)
	}
	h.AtWork = e.GetAtWork()
	h.ReceivedBytes, h.Messages = e.GetReceivedBytes(), e.GetMessages()
	h.ConnectionEnd = plaintext.Lines(e.GetEnd())
	h.LostAcknowledged = f.lostAcknowledged(e.GetLostAcknowledged(), e.GetEnd(), e.GetExit().GetCause())
}

func (f *Folder) foldRejected(e *bulkheadv1.ConnectionRejected, at report.Stamp) {
	r := report.Rejection{
		At:           at,
		ConnectionID: e.GetConnectionId(),
		Peer:         plaintext.Line(e.GetPeer(), plaintext.MaxName),
		HandlerPid:   e.GetHandlerPid(),
		ClientName:   plaintext.Line(e.GetClientName(), plaintext.MaxName),
		Reason:       plaintext.Lines(e.GetReason()),
		Code:         reason.Name(e.GetCode()),
	}
	f.rejections.add(r)
	f.rejectionGroups.add(&r)
	if name := refusedName(e, r.ClientName); name != "" {
		f.refused.Add(judge.Refusal{Name: name, Reason: r.Reason})
	}
}
