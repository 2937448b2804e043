package supervisor

import (
	"fmt"
	"time"

	"google.golang.org/grpc/codes"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/conduct"
)

const (
	inUse         = bulkheadv1.ContradictionKind_CONTRADICTION_KIND_CLIENT_ID_IN_USE
	resentDiffers = bulkheadv1.ContradictionKind_CONTRADICTION_KIND_RESENT_DIFFERS
	pastGoodbye   = bulkheadv1.ContradictionKind_CONTRADICTION_KIND_AFTER_GOODBYE
)

// closedPatience is how long a client that comes back to its closed session, and does not
// say how far it came, may take to repeat its Goodbye or to continue. Then it is told that
// all is well.
const closedPatience = time.Second

// contradicted journals and logs what came by a connection, if it is one of the first of
// its kind.
func (p *processor) contradicted(l *link, kind bulkheadv1.ContradictionKind, text string) {
	if p.told.Count(kind) > conduct.MostContradictions {
		return
	}
	l.log.Warn("client contradicts what is durable", "what", text, "host", l.hello.GetHost(), "pid", l.hello.GetPid())
	rec := &bulkheadv1.Record{Entry: &bulkheadv1.Record_Contradiction{Contradiction: &bulkheadv1.Contradiction{
		Session: p.number, Kind: kind, ConnectionId: l.id, Peer: l.peer, Text: clipped(text),
		Host: clipped(l.hello.GetHost()), Pid: l.hello.GetPid(),
	}}}
	if p.phase == fresh {
		p.owe(rec)
		return
	}
	p.record(rec)
}

// inUse refuses a connection of another process than the session's client.
func (p *processor) inUse(l *link, why string) {
	p.contradicted(l, inUse, why)
	l.finish(otherProcess(why))
}

// otherProcess returns what a process is told that acts as another's client.
func otherProcess(why string) answer {
	return answer{
		code: codes.AlreadyExists, reason: bulkheadv1.Reason_REASON_CLIENT_ID_IN_USE,
		text: "this client id is in use: " + why + "; each client needs an id of its own",
	}
}

// disown ends the current connection, which is not of the session's client after all: the
// session waits for that.
func (p *processor) disown(l *link, kind bulkheadv1.ContradictionKind, why string) {
	p.contradicted(l, kind, why)
	p.step(disowned, nil, why, bulkheadv1.DetachClass_DETACH_CLASS_BREACH)
	l.finish(otherProcess(why))
	p.link = nil
}

// resent compares messages that came although they are durable.
func (p *processor) resent(n note) {
	if n.link != p.link || p.phase != active && p.phase != closed || p.lie != nil || p.stuck {
		return
	}
	seq := p.digests.Differs(n.resent.GetBatch(), n.resent.GetFirstSeq())
	switch why := fmt.Sprintf("message %d was sent again with other content than the durable one", seq); {
	case seq == 0:
	case p.phase == closed:
		p.contradicted(n.link, resentDiffers, why)
		n.link.finish(otherProcess(why))
	default:
		p.disown(n.link, resentDiffers, why)
	}
}

// afterGoodbye refuses messages up to last of a session that is closed.
func (p *processor) afterGoodbye(l *link, last uint64) {
	why := fmt.Sprintf("messages %d to %d came after the Goodbye of this session", p.durable+1, last)
	p.contradicted(l, pastGoodbye, why)
	l.finish(answer{
		code: codes.FailedPrecondition, reason: bulkheadv1.Reason_REASON_SESSION_CLOSED, about: p.over().Metadata(),
		text: fmt.Sprintf("this session is closed after message %d: its Goodbye was said, and it takes no more",
			p.durable),
	})
	p.link = nil // what else it says is refused with that
}

// conclude answers a client that is back at its closed session. One that has told how far
// it came gets its answer at once.
func (p *processor) conclude(l *link) {
	switch sent := l.hello.SentSeq; {
	case sent == nil || l.adopted:
		time.AfterFunc(closedPatience, func() { l.finish(answer{}) }) // does nothing after another answer
	case *sent > p.durable:
		p.afterGoodbye(l, *sent)
	default:
		l.finish(answer{})
	}
}
