package report

// Kinds of a Finding.
const (
	FindingCorruption  = "corruption"
	FindingClientBound = "client_bound"
	FindingStalled     = "stalled_storage"
	FindingStraggler   = "straggler"
	FindingClock       = "clock_offset"
	FindingClockStep   = "clock_step"
	FindingClockTimes  = "clock_times"
	// FindingReads is of a client whose readers could not read what it wrote.
	FindingReads = "read_errors"
	// FindingNeighbour is of a client whose readers found no files of another client, or none of another
	// host.
	FindingNeighbour  = "neighbour"
	FindingRollover   = "rollover_penalty"
	FindingSteady     = "steady_state"
	FindingNameTwice  = "name_twice"
	FindingUnexpected = "unexpected_client"
	// FindingSilent is of a client that said nothing though its connection lived, and
	// FindingPaused of a supervisor that did not run.
	FindingSilent = "silent_client"
	FindingPaused = "supervisor_paused"
	// FindingUnavailable is of a journal's engine that could not be reached.
	FindingUnavailable = "journal_unavailable"
	// FindingSandbox is of handlers that were not locked in as they could have been.
	FindingSandbox = "sandbox"
	// FindingContradiction is of what a client said that cannot be true together.
	FindingContradiction = "contradiction"
	// FindingLeftOut is of what a client said that cannot be true at all.
	FindingLeftOut = "left_out"
	// FindingCertificate is of a certificate of the supervisor that ends soon, or has ended.
	FindingCertificate = "certificate_expires"
	// FindingGather is of a client that did not begin with the others of a run that gathers.
	FindingGather = "gather"
	// FindingWindow is of clients that wrote together for a small part of their time only, or never.
	FindingWindow = "common_window"
	// FindingStages is of clients that were not in the same stages at the same time, or do not have them.
	FindingStages = "stages"
	// FindingFleetRate is of clients that did not write what they were to write together, or more.
	FindingFleetRate = "fleet_rate"
	// FindingAssertion is of a threshold that was not kept while the run went on.
	FindingAssertion = "assertion"
	// FindingVersions is of programs that are not all of one version.
	FindingVersions = "mixed_versions"
	// FindingPlainText is of a supervisor that others reach and that spoke no TLS.
	FindingPlainText = "plain_text"
	// The rest are of what a client's machine did, each once for a machine.
	FindingDevice    = "device_saturated"
	FindingWriteback = "writeback_throttled"
	FindingNetwork   = "network_full"
	FindingThrottled = "cpu_throttled"
	FindingMemory    = "memory_pressure"
	FindingSpace     = "space_low"
)

// Severities of a Finding.
const (
	// SeverityError is of what makes a run worthless for what it was to show.
	SeverityError = "error"
	// SeverityWarning is of what explains or spoils figures, and SeverityNote of what
	// describes them.
	SeverityWarning = "warning"
	SeverityNote    = "note"
)

// Finding is one judgement about what the numbers mean.
type Finding struct {
	// Kind is one of the Finding… constants.
	Kind string `json:"kind"`
	// Severity is one of the Severity… constants.
	Severity string `json:"severity"`
	// Session is 0 and Client "" for a finding about the run.
	Session uint32 `json:"session"`
	Client  string `json:"client"`
	// Text is the judgement in one line, Evidence what it is made from, and Threshold
	// where it begins.
	Text      string `json:"text"`
	Evidence  string `json:"evidence"`
	Threshold string `json:"threshold"`
	// Untold says that the finding is no judgement: the run does not tell. Those come last.
	// It is absent for all others.
	Untold bool `json:"untold,omitempty"`
}

// Assertion is a threshold that the supervisor was told its run must keep.
type Assertion struct {
	// Text is the threshold, as in "p99 < 50ms for 10s abort".
	Text string `json:"assertion"`
	// State is one of the Assertion… constants.
	State string `json:"state"`
	// Value is the figure of the whole run, or why there is none, in words; "" while the run goes on.
	Value string `json:"value"`
	// BreachedAt is when it was not kept for the first time while the run went on, and Breach what was
	// measured then, in words; absent if it was kept, or was not watched.
	BreachedAt Stamp  `json:"breached_at,omitempty"`
	Breach     string `json:"breach,omitempty"`
}

// How a threshold was kept (Assertion.State).
const (
	AssertionOpen    = "open" // so far, while the run goes on
	AssertionHolds   = "holds"
	AssertionBroken  = "broken"
	AssertionUnknown = "unknown" // this version cannot read it
)
