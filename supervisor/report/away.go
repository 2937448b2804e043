package report

import (
	"cmp"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Why a client was without a connection, as judge judges it.
const (
	AwayStarved    = "client_starved"
	AwayNetwork    = "network_gone"
	AwayDied       = "client_died"
	AwayBreach     = "client_broke_protocol"
	AwayTransport  = "client_transport"
	AwayLimit      = "client_exceeded_limit"
	AwayEnded      = "client_ended_stream"
	AwayHandler    = "handler"
	AwaySupervisor = "supervisor"
	AwayUnknown    = "unknown"
)

// absence is what is known of the time after a session lost a connection.
type absence struct {
	// class is what the supervisor's side saw of the connection's end.
	class bulkheadv1.DetachClass
	// returned says that the client came back; said is then what it said of why it
	// had been away.
	returned bool
	said     bulkheadv1.Absence
	// handlerEnd is the class of the end of the connection's handler; "" if it is not
	// known.
	handlerEnd string
	// paused says that the supervisor was not running in the time in which it lost the
	// client.
	paused bool
	// lost says that the session ended as lost, without the client coming back.
	lost bool
}

// judge says why the client was away: one of the Away… constants. The supervisor's
// side knows best what it did itself; a client knows best whether it was running; and a
// client that never says anything again leaves what was seen of its connection.
func judge(a absence) string {
	switch a.class {
	case bulkheadv1.DetachClass_DETACH_CLASS_HANDLER:
		return AwayHandler
	case bulkheadv1.DetachClass_DETACH_CLASS_SUPERVISOR:
		return AwaySupervisor
	case bulkheadv1.DetachClass_DETACH_CLASS_BREACH:
		return AwayBreach
	case bulkheadv1.DetachClass_DETACH_CLASS_LIMIT:
		return AwayLimit
	case bulkheadv1.DetachClass_DETACH_CLASS_TRANSPORT:
		return AwayTransport
	case bulkheadv1.DetachClass_DETACH_CLASS_STREAM_ENDED:
		if !a.returned || a.said == bulkheadv1.Absence_ABSENCE_UNSPECIFIED || a.said == bulkheadv1.Absence_ABSENCE_SENT_AWAY {
			return AwayEnded // a client that says more, such as that it was starved, knows better
		}
	}
	if handlerFault(a) {
		return AwayHandler
	}
	if a.paused && a.said != bulkheadv1.Absence_ABSENCE_STARVED && a.returned {
		return AwaySupervisor // it heard nobody, and nobody heard it
	}
	closedByClient := a.class == bulkheadv1.DetachClass_DETACH_CLASS_CLOSED_BY_CLIENT
	if !a.returned {
		if closedByClient && a.lost {
			return AwayDied
		}
		return AwayUnknown
	}
	switch a.said {
	case bulkheadv1.Absence_ABSENCE_STARVED:
		return AwayStarved
	case bulkheadv1.Absence_ABSENCE_NETWORK:
		return AwayNetwork
	case bulkheadv1.Absence_ABSENCE_SENT_AWAY:
		if a.class == bulkheadv1.DetachClass_DETACH_CLASS_SILENT {
			// It was running and heard this side, which heard nothing of it.
			return AwayNetwork
		}
		return AwaySupervisor
	}
	return AwayUnknown
}

// handlerFault says whether a connection ended by its handler's fault although the
// client was the first to notice: it came again by itself before the supervisor had
// found out.
func handlerFault(a absence) bool {
	switch a.class {
	case bulkheadv1.DetachClass_DETACH_CLASS_REPLACED, bulkheadv1.DetachClass_DETACH_CLASS_UNSPECIFIED:
	default:
		return false
	}
	switch a.handlerEnd {
	case ExitHang, ExitCrash, ExitOOM, ExitSandbox, ExitProtocol:
		return true
	default:
		return false
	}
}

// awayWords are what the text says for a judgement; nothing for an unknown one.
func awayWords(why string) string {
	switch why {
	case AwayStarved:
		return "client starved"
	case AwayNetwork:
		return "network gone"
	case AwayDied:
		return "client died"
	case AwayBreach:
		return "client broke the protocol"
	case AwayLimit:
		return "client sent too much at once"
	case AwayTransport:
		return "client's transport"
	case AwayEnded:
		return "client ended its stream"
	case AwayHandler:
		return "handler"
	case AwaySupervisor:
		return "supervisor"
	default:
		return ""
	}
}

// lossWords say what is known of why a lost client never came back, after its last
// connection.
func lossWords(last *Connection) string {
	switch {
	case last.AwayWhy == AwayDied:
		return "its machine closed the connection, so the client probably died"
	case last.AwayWhy == AwayHandler:
		return "its handler had ended"
	case last.AwayWhy == AwayTransport:
		return "its transport had broken its connection: " + last.DetachCause
	case last.AwayWhy == AwayLimit:
		return "it had sent too much at once: " + last.DetachCause
	case last.AwayWhy == AwayEnded:
		return "it had ended its stream itself: " + last.DetachCause
	case last.AwayWhy == AwaySupervisor:
		return "the supervisor had ended its connection"
	case last.DetachClass == detachSilent:
		return "nothing was heard of it any more: its network, its machine or the client itself"
	default:
		return ""
	}
}

// How a session lost a connection, as the supervisor's side saw it.
const (
	detachClosedByClient = "closed_by_client"
	detachSilent         = "silent"
	detachHandler        = "handler"
	detachBreach         = "breach"
	detachReplaced       = "replaced"
	detachSupervisor     = "supervisor"
	detachTransport      = "transport"
	detachStreamEnded    = "stream_ended"
	detachLimit          = "limit"
)

func detachClass(c bulkheadv1.DetachClass) string {
	switch c {
	case bulkheadv1.DetachClass_DETACH_CLASS_CLOSED_BY_CLIENT:
		return detachClosedByClient
	case bulkheadv1.DetachClass_DETACH_CLASS_SILENT:
		return detachSilent
	case bulkheadv1.DetachClass_DETACH_CLASS_HANDLER:
		return detachHandler
	case bulkheadv1.DetachClass_DETACH_CLASS_BREACH:
		return detachBreach
	case bulkheadv1.DetachClass_DETACH_CLASS_REPLACED:
		return detachReplaced
	case bulkheadv1.DetachClass_DETACH_CLASS_SUPERVISOR:
		return detachSupervisor
	case bulkheadv1.DetachClass_DETACH_CLASS_TRANSPORT:
		return detachTransport
	case bulkheadv1.DetachClass_DETACH_CLASS_STREAM_ENDED:
		return detachStreamEnded
	case bulkheadv1.DetachClass_DETACH_CLASS_LIMIT:
		return detachLimit
	default:
		return ""
	}
}

func absenceOf(a bulkheadv1.Absence) string {
	switch a {
	case bulkheadv1.Absence_ABSENCE_NETWORK:
		return "network"
	case bulkheadv1.Absence_ABSENCE_STARVED:
		return "starved"
	case bulkheadv1.Absence_ABSENCE_SENT_AWAY:
		return "sent_away"
	default:
		return ""
	}
}

// link is a connection as the fold keeps it: with what its judgement needs.
type link struct {
	Connection
	class bulkheadv1.DetachClass
	said  bulkheadv1.Absence // as the client took the connection up, of the time before
	end   string             // class of its handler's end; "" before
	epoch uint64             // restarts of the supervisor when it was last taken up
}

// awayFrom is when the outage after a connection began: when the client was last heard.
func (n *Connection) awayFrom() Stamp { return cmp.Or(n.LastHeardAt, n.DetachedAt) }

// pauseShadow is how long after a pause of the supervisor connections end that broke in it.
const pauseShadow = Stamp(10e9)

// judged returns the connections of a session, oldest first, each with why the client
// was away after it.
// paused says whether the supervisor was paused between two moments.
func judged(links []link, c *Client, paused func(from, to Stamp) bool) []Connection {
	list := make([]Connection, len(links))
	for i := range links {
		list[i] = links[i].Connection
		n := &list[i]
		if n.DetachedAt == 0 {
			continue
		}
		a := absence{class: links[i].class, handlerEnd: links[i].end, lost: c.Outcome == OutcomeLost,
			paused: paused(n.awayFrom()-pauseShadow, n.DetachedAt)}
		until := c.EndedAt
		if i+1 < len(links) {
			a.returned, a.said = true, links[i+1].said
			until = links[i+1].AttachedAt
		}
		n.AwayWhy, n.AwayNano = judge(a), between(n.awayFrom(), until)
		if n.AwayWhy == AwayStarved {
			n.AwayStarvedNano = links[i+1].StarvedNano
		}
	}
	return list
}
