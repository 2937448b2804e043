package report

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
