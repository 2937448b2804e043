package fold

import (
	"bulkhead/internal/plaintext"
	"bulkhead/internal/reason"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/judge"
)

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
