package conduct

// Poison counts handlers that died on what a session sends, as long as the session
// makes no progress: a client sends the messages after the last durable one again
// and again, so it is the same messages that kill.
type Poison struct {
	After uint64 // the last durable message when the handlers died
	Kills int    // 0 if none did
}

// Killed notes the death of a handler and returns how many it makes.
func (p *Poison) Killed(durable uint64) int {
	if p.Kills == 0 || p.After != durable {
		*p = Poison{After: durable}
	}
	p.Kills++
	return p.Kills
}
