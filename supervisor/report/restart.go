package report

// Kinds of a Restart.
const (
	RestartRestarted = "restarted"
	RestartUpgraded  = "upgraded"
	RestartUnknown   = "unknown"
)

// Restart is another supervisor, or another version of it, that resumed the run.
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
	// HandlersKept were adopted with their client's connection, HandlersGone
	// had ended.
	HandlersKept uint32 `json:"handlers_kept"`
	HandlersGone uint32 `json:"handlers_gone"`
}

// How a supervisor left a run that several share (Supervisor.Left).
const (
	LeftAsked   = "asked"  // in order, as it was asked to
	LeftSilent  = "silent" // it was not heard any more
	LeftUnknown = "unknown"
)

// Supervisor is one that took part in a run whose journal is on an engine, which several may share.
type Supervisor struct {
	// Number is its number in the run, from 1. One that is started again has another, and Before is the
	// one it had; absent if it was not.
	Number   uint32 `json:"number"`
	Before   uint32 `json:"before,omitempty"`
	JoinedAt Stamp  `json:"joined_at"`
	Host     Host   `json:"host"`
	Listen   string `json:"listen"`
	Pid      int32  `json:"pid"`
	Version  string `json:"version"`
	// Connections is how many of sessions it has served, and TakenOver how many of them were sessions
	// that another supervisor had served before.
	Connections uint64 `json:"connections"`
	TakenOver   uint64 `json:"taken_over"`
	// LeftAt is when it was no part of the run any more, and Left how, one of the Left… constants; null
	// and "" if it took part to the end, or nobody said so. LeftBy is who says so, and LeftSessions how
	// many sessions that one took with it.
	LeftAt       Stamp  `json:"left_at"`
	Left         string `json:"left"`
	LeftBy       uint32 `json:"left_by,omitempty"`
	LeftSessions uint32 `json:"left_sessions,omitempty"`
	// Text says all that for a person.
	Text string `json:"text"`
}

// JournalOutage is a time in which a supervisor could not reach the engine that has the journal. Clients
// went on, and nothing was acknowledged.
type JournalOutage struct {
	At         Stamp  `json:"at"`
	LengthNano int64  `json:"length_nano"`
	Supervisor uint32 `json:"supervisor"`
}
