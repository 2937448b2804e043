package report

import "cmp"

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

// How a session lost a connection, as the supervisor's side saw it.
const (
	DetachClosedByClient = "closed_by_client"
	DetachSilent         = "silent"
	DetachHandler        = "handler"
	DetachBreach         = "breach"
	DetachReplaced       = "replaced"
	DetachSupervisor     = "supervisor"
	DetachTransport      = "transport"
	DetachStreamEnded    = "stream_ended"
	DetachLimit          = "limit"
)

// AwayFrom returns when the outage after a connection began: when the client was last heard.
func (n *Connection) AwayFrom() Stamp { return cmp.Or(n.LastHeardAt, n.DetachedAt) }

// Connection is one connection that carried the session, by the supervisor's
// clock.
type Connection struct {
	ID uint64 `json:"id"`
	// Supervisor is the number of the supervisor that had it, in a run that several may share.
	Supervisor uint32 `json:"supervisor,omitempty"`
	HandlerPid int32  `json:"handler_pid"`
	Peer       string `json:"peer"`
	AttachedAt Stamp  `json:"attached_at"`
	// ResumeAfter is the last durable message when it resumed the session.
	ResumeAfter uint64 `json:"resume_after"`
	// Resumed is false for the first connection of the session alone.
	Resumed bool `json:"resumed"`
	// DetachedAt is null while the connection lasted to the session's end.
	DetachedAt  Stamp  `json:"detached_at"`
	DetachCause string `json:"detach_cause"`
	// LastHeardAt is when the client was last heard before that, where that was earlier: the
	// outage begins there. It is absent if it is not known.
	LastHeardAt Stamp `json:"last_heard_at,omitempty"`
	// DetachClass is what the supervisor's side saw: "closed_by_client", "silent",
	// "handler", "breach", "replaced", "supervisor", "transport", "stream_ended",
	// "limit" or "".
	DetachClass string `json:"detach_class"`
	// LostAcknowledged says that it was lost because the client had been acknowledged messages
	// that the journal has no more; absent if it was not.
	LostAcknowledged bool `json:"lost_acknowledged,omitempty"`
	// AwayWhy is why the client was away after it: one of the Away… constants, or ""
	// for a connection that was not lost. AwayNano is how long, from LastHeardAt or else
	// DetachedAt until it was back or the session ended; AwayStarvedNano how long of it a starved
	// client was not running.
	AwayWhy         string `json:"away_why"`
	AwayNano        int64  `json:"away_nano"`
	AwayStarvedNano int64  `json:"away_starved_nano"`
	// Absence is what the client said, as it made this connection, of why it had
	// been away: "network", "starved", "sent_away" or "". StarvedNano is how long it had
	// not been running since it made the connection before, and LastEnd how it saw
	// that one end.
	Absence     string `json:"absence"`
	StarvedNano int64  `json:"starved_nano"`
	LastEnd     string `json:"last_end"`
	// KeptThroughRestarts is how many restarts and upgrades of the supervisor it
	// outlived; LastKeptAt is when its handler was last adopted.
	KeptThroughRestarts uint64 `json:"kept_through_restarts"`
	LastKeptAt          Stamp  `json:"last_kept_at"`
}

// MessageGap is a time in which a client said nothing though its connection lived and it had
// declared heartbeats. Its times are the supervisor's.
type MessageGap struct {
	At Stamp `json:"at"`
	// EndAt is when the client spoke again or was let go of; null if the journal ends before.
	EndAt Stamp `json:"end_at"`
	// LengthNano is how long it was silent, in time in which the supervisor ran and had taken
	// in what it was sent: not more than from At to EndAt.
	LengthNano int64 `json:"length_nano"`
}

// Pause is a time in which the supervisor's process was not running.
type Pause struct {
	At         Stamp `json:"at"`
	LengthNano int64 `json:"length_nano"`
}
