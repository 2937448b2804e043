package report

// Contradiction is one kind of thing that a client said which cannot be.
type Contradiction struct {
	// Kind is one of the constants of this package, What it in words, and Example the first in
	// detail.
	Kind    string `json:"kind"`
	What    string `json:"what"`
	Count   uint64 `json:"count"`
	Example string `json:"example"`
	// Partial says that something is missing in the report for it.
	Partial bool `json:"partial"`
}

// Begun is where a session's messages were numbered before, in a run that is over or that
// its supervisor does not know. After is the last that the other run has, 0 for none: then all of
// the client's messages are here.
type Begun struct {
	Run   string `json:"run"`
	After uint64 `json:"after"`
	// Before is how many messages the client said before this session, in all sessions,
	// if it said so.
	Before uint64 `json:"before,omitempty"`
}

// BeginningMissing reports whether the first of a client's messages are in another run.
func (c *Client) BeginningMissing() bool { return c.Begun != nil && c.Begun.After|c.Begun.Before > 0 }

// What of a client's messages cannot be true together (Contradiction.Kind). Nothing is corrected:
// the figures are made of what was said.
const (
	UnlikeChunks    = "chunks_unlike_latencies"
	UnlikeBytes     = "bytes_unlike_chunks"
	UnlikeFiles     = "files_unlike_bytes"
	UnlikeFile      = "file_unlike_chunks"
	Backwards       = "interval_backwards"
	StrangeConsumer = "unknown_consumer"
	AfterStop       = "after_stop"
	ExitMissing     = "exit_missing"
	ExitStrange     = "exit_of_nobody"
	ExitBefore      = "exit_before_start"
	BeatStrange     = "answer_of_nobody"
	EarlyStop       = "early_stop"
	WindowBroken    = "window_exceeded"
	StrangeStage    = "unknown_stage"
	StageBackwards  = "stage_backwards"

	TwoProcesses = "two_processes"
	OtherContent = "other_content"
	PastGoodbye  = "after_goodbye"
)
