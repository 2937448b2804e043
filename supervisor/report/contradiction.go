package report

// Contradiction is one kind of thing that a client said which cannot be.
type Contradiction struct {
	// What is one of the constants of this package, Example the first in detail.
	What    string `json:"what"`
	Count   uint64 `json:"count"`
	Example string `json:"example"`
	// Partial says that something is missing in the report for it.
	Partial bool `json:"partial"`
}

// Begun is where a session's messages were numbered before, in a run that is over or that
// its supervisor does not know. After is the last that is there, 0 for none: then all of
// the client's messages are here.
type Begun struct {
	Run   string `json:"run"`
	After uint64 `json:"after"`
	// Before is how many messages the client said before this session, in all sessions,
	// if it said so.
	Before uint64 `json:"before,omitempty"`
}

// BeginningMissing says that the first of a client's messages are in another run.
func (c *Client) BeginningMissing() bool { return c.Begun != nil && c.Begun.After|c.Begun.Before > 0 }

// What of a client's messages cannot be true together. Nothing is corrected: the figures
// are made of what was said.
const (
	UnlikeChunks    = "Progress: chunks are not as many as their latencies"
	UnlikeBytes     = "Progress: more bytes than the chunks can hold"
	UnlikeFiles     = "Rollover: the files of a consumer hold more than it wrote"
	UnlikeFile      = "Rollover: a file holds more than its chunks can"
	Backwards       = "Progress: an interval ends before the one before it"
	StrangeConsumer = "a consumer that the workload does not have"
	AfterStop       = "messages after Stop"
	ExitMissing     = "Stop: no exit of a worker that had started"
	ExitStrange     = "Stop: the exit in order of a worker that was never heard of"
	ExitBefore      = "Stop: a worker ended before it had started"
	BeatStrange     = "Heartbeat: an answer of a worker that never started"
	EarlyStop       = "Stop: the runtime is over, but it had not passed"
	WindowBroken    = "more batches on their way than max_unacked_batches"

	TwoProcesses = "two processes with one client id"
	OtherContent = "a message sent again with other content"
	PastGoodbye  = "messages after Goodbye"
)
