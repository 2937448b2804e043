package conduct

// MostExcess is how often a client may send what is larger than it may be, with nothing more
// of it durable in between: one that can send less does so the next time, and another would
// use up a handler each time for as long as it likes.
const MostExcess = 3

// Excess counts the connections that ended so.
type Excess struct {
	after uint64 // the last durable message then
	count int    // 0 if none did
}

// Again notes one, over which messages up to durable had come, and returns how many it makes.
func (e *Excess) Again(durable uint64) int {
	if e.count == 0 || e.after != durable {
		*e = Excess{after: durable}
	}
	e.count++
	return e.count
}
