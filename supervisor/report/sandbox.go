package report

// How far handlers were locked in (Sandbox.State).
const (
	SandboxFull    = "full"
	SandboxReduced = "reduced"
	SandboxOff     = "off"
	SandboxUnknown = "unknown"
)

// Sandbox is how a supervisor's handlers were locked in.
type Sandbox struct {
	// State is one of the Sandbox… constants.
	State string `json:"state"`
	// Missing are the layers that were missing; absent if none was.
	Missing []SandboxGap `json:"missing,omitempty"`
	// UnlockedHandlers are those of an earlier program that were adopted with their clients and
	// were not locked in; absent if there were none.
	UnlockedHandlers uint32 `json:"unlocked_handlers,omitempty"`
}

// SandboxGap is a layer that was missing.
type SandboxGap struct {
	// Layer is its name, as docs/security.md lists them; "unknown" for one of a newer version.
	Layer  string `json:"layer"`
	Reason string `json:"reason"`
}
