package conduct

import (
	"bytes"
	"fmt"

	"bulkhead/internal/plural"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Holder is the process that acts as a session's client, as far as it has said. A clone of
// a process has all that the process has, but not what either of them is told afterwards:
// the number of the newest Welcome tells them apart.
type Holder struct {
	// Instance is Hello.instance of the last connection; empty if it did not say.
	Instance []byte
	// Welcomes is the number in the newest Welcome, and Proven that of the newest one that
	// the client is known to have, because something came behind it.
	Welcomes, Proven uint64
}

// maxUnheard bounds how far a client's count of its connections may be ahead: records of
// the last ones may have been lost with a supervisor.
const maxUnheard = 1024

// Welcomed counts the connection that hello begins and returns its number.
func (h *Holder) Welcomed(hello *bulkheadv1.Hello) uint64 {
	if last := hello.GetLastConnection(); last > h.Welcomes && last-h.Welcomes <= maxUnheard {
		h.Welcomes = last
	}
	h.Welcomes++
	h.Instance = hello.GetInstance()
	return h.Welcomes
}

// Recovered takes over what a record has of a connection.
func (h *Holder) Recovered(a *bulkheadv1.SessionAttached) {
	h.Welcomes = max(h.Welcomes+1, a.GetConnection())
	h.Instance = a.GetInstance()
}

// Heard records that something came behind the newest Welcome.
func (h *Holder) Heard() { h.Proven = h.Welcomes }

// Stale reports whether hello is an earlier one of the process that acts as the client: it has been connected
// since, elsewhere or here. It waited somewhere, such as for the journal.
func (h *Holder) Stale(hello *bulkheadv1.Hello, durable uint64) bool {
	if len(h.Instance) == 0 || !bytes.Equal(hello.GetInstance(), h.Instance) {
		return false
	}
	last := hello.GetLastConnection()
	return last != 0 && last < h.Proven || hello.SentSeq != nil && hello.GetSentSeq() < durable
}

// Other returns why hello comes from another process than the one that acts as the client; "" if
// nothing says so. connected is whether the latter has a connection, and durable is the last
// message that is durable.
func (h *Holder) Other(hello *bulkheadv1.Hello, connected bool, durable uint64) string {
	differs := len(hello.GetInstance()) > 0 && len(h.Instance) > 0 && !bytes.Equal(hello.GetInstance(), h.Instance)
	last := hello.GetLastConnection()
	switch {
	case differs && connected:
		return "another process with this client id is connected"
	case last != 0 && last < h.Proven:
		return fmt.Sprintf("it knows %s, and another process with this client id has had %d",
			plural.Of(last, "connection"), h.Proven)
	case hello.SentSeq != nil && hello.GetSentSeq() < durable:
		return fmt.Sprintf(
			"the last message that it has sent is %d, and another process with this client id has sent %d",
			hello.GetSentSeq(), durable)
	default:
		return ""
	}
}
