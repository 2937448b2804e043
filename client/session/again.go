package session

import "time"

// Again decides when a client connects again, as a Session does, for a program that plays clients
// on a clock of its own.
type Again struct{ tries *tries }

// NewAgain returns a client's that begins now, and tries for timeout until its first Welcome.
func NewAgain(timeout time.Duration, now time.Time) *Again { return &Again{newTries(timeout, now)} }

// Patience returns how long the next connection may take to its Welcome.
func (a *Again) Patience(now time.Time) time.Duration { return a.tries.patience(now) }

// Ended is how a connection ended.
type Ended struct {
	Welcomed, Acked bool          // the Welcome came; a message was acknowledged
	Lasted          time.Duration // from the Welcome on
	Asked           time.Duration // for how long the supervisor asked to stay away; 0 if it did not
}

// Wait returns how long the client waits after a connection that ended so; over says that it gives
// up. random is in [0, 1).
func (a *Again) Wait(now time.Time, e Ended, random float64) (wait time.Duration, over bool) {
	far := reached{welcomed: e.Welcomed, acked: e.Acked, lasted: e.Lasted}
	return a.tries.next(now, far, retryable{after: e.Asked}, 0, false, random)
}
