package report

// Gather is how a run gathered its clients, so that they begin to write in the same instant.
type Gather struct {
	// TimeoutNano is how long it waited for them at most, and IfShort what was to be done then, one
	// of the IfShort… constants.
	TimeoutNano int64  `json:"timeout_nano"`
	IfShort     string `json:"if_short"`
	// End is one of the Gather… constants; "" for a gather that is not over, or was drained.
	End string `json:"end"`
	// DecidedAt is when that was decided, and BeginAt the moment at which clients were let begin; null
	// if they were not.
	DecidedAt Stamp `json:"decided_at"`
	BeginAt   Stamp `json:"begin_at"`
	// WaitedNano is how long it lasted until that: since the run began, or, in a run of a supervisor
	// that keeps running, its first client came; absent if it was not decided.
	WaitedNano int64 `json:"waited_nano,omitempty"`
	// Ready is how many clients were ready.
	Ready int `json:"ready"`
	// Missing are those that were waited for and not ready.
	Missing []GatherMissing `json:"missing"`
	// Text is all that in one line, and which clients were late.
	Text string `json:"text"`
}

// StageGather is how clients that wait for each other before a stage began it. Its moment is when the
// stage began with its pause.
type StageGather struct {
	// TimeoutNano is how long the first client that has the stage waits for the others at most.
	TimeoutNano int64 `json:"timeout_nano"`
	// End is GatherComplete or GatherShort; "" if it was not decided.
	End       string `json:"end"`
	DecidedAt Stamp  `json:"decided_at"`
	BeginAt   Stamp  `json:"begin_at"`
	// WaitedNano is how long the first of them had waited; absent if it was not decided.
	WaitedNano int64 `json:"waited_nano,omitempty"`
	// Ready is how many clients were ready, and Missing those that were waited for and not.
	Ready   int             `json:"ready"`
	Missing []GatherMissing `json:"missing"`
	// Late are the clients that began it more than LateLeast after the moment, Alone those that began it
	// without the supervisor's word, and Unable those whose version cannot wait; LateNano is how late the
	// last one was, by its own clock.
	Late     []string `json:"late"`
	LateNano int64    `json:"late_nano"`
	Alone    []string `json:"alone"`
	Unable   []string `json:"unable"`
	// Came are, of a run that goes on, the clients that wait before it, and Awaited those that they wait
	// for.
	Came    []string `json:"came"`
	Awaited []string `json:"awaited"`
	// Text is all that in one line.
	Text string `json:"text"`
}

// GatherMissing is a client that was not ready when a gather ended.
type GatherMissing struct {
	// Name is "" for Clients others that never came, where no names are awaited.
	Name    string `json:"name"`
	Clients uint32 `json:"clients"`
	// State is one of the GatherMissing… constants.
	State string `json:"state"`
}

// How a gather ended (Gather.End).
const (
	GatherComplete = "complete" // all were ready
	GatherShort    = "short"    // those that were ready began without the others
	GatherAborted  = "aborted"  // nobody began, and the run was drained
	GatherUnknown  = "unknown"
)

// What a run was to do of which not all clients were ready (Gather.IfShort).
const (
	IfShortAbort = "abort"
	IfShortStart = "start"
)

// How far a client was that was not ready (GatherMissing.State).
const (
	GatherMissingNotConnected = "not_connected"
	GatherMissingNotReady     = "not_ready"
	GatherMissingGone         = "gone" // it was ready, and not connected any more
)

// What a client was in a run that gathers (Client.Gathered).
const (
	GatheredReady  = "ready"  // it waited, and was let begin with the others
	GatheredLate   = "late"   // it began after the others
	GatheredUnable = "unable" // its version could not wait: it began by itself
	GatheredNot    = "not"    // it was not let begin
	// GatheredExcused was not let begin, and not waited for: an operator asked it alone to end.
	GatheredExcused = "excused"
)

// LateLeast is how much later than the moment a client began that is called late, in nanoseconds.
const LateLeast = int64(100e6)
