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
