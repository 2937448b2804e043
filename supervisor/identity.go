package supervisor

import (
	"bytes"
	"fmt"

	"bulkhead/internal/plural"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// holder is the process that acts as a session's client, as far as it has said. A clone of
// a process has all that the process has, but not what either of them is told afterwards:
// the number of the newest Welcome tells them apart.
type holder struct {
	// instance is Hello.instance of the last connection; empty if it did not say.
	instance []byte
	// welcomes is the number in the newest Welcome, and proven that of the newest one that
	// the client is known to have, because something came behind it.
	welcomes, proven uint64
}

// maxUnheard bounds how far a client's count of its connections may be ahead: records of
// the last ones may have been lost with a supervisor.
const maxUnheard = 1024

// welcomed counts the connection that hello begins and returns its number.
func (h *holder) welcomed(hello *bulkheadv1.Hello) uint64 {
	if last := hello.GetLastConnection(); last > h.welcomes && last-h.welcomes <= maxUnheard {
		h.welcomes = last
	}
	h.welcomes++
	h.instance = hello.GetInstance()
	return h.welcomes
}

// recovered takes over what a record has of a connection.
func (h *holder) recovered(a *bulkheadv1.SessionAttached) {
	h.welcomes = max(h.welcomes+1, a.GetConnection())
	h.instance = a.GetInstance()
}

// heard says that something came behind the newest Welcome.
func (h *holder) heard() { h.proven = h.welcomes }

// other says why hello comes from another process than the one that acts as the client;
// "" if nothing says so. connected says that the latter has a connection, and durable is
// the last message that is durable.
func (h *holder) other(hello *bulkheadv1.Hello, connected bool, durable uint64) string {
	differs := len(hello.GetInstance()) > 0 && len(h.instance) > 0 && !bytes.Equal(hello.GetInstance(), h.instance)
	last := hello.GetLastConnection()
	switch {
	case differs && connected:
		return "another process with this client id is connected"
	case last != 0 && last < h.proven:
		return fmt.Sprintf("it knows %s, and another process with this client id has had %d", plural.Of(last, "connection"), h.proven)
	case hello.SentSeq != nil && hello.GetSentSeq() < durable:
		return fmt.Sprintf("the last message that it has sent is %d, and another process with this client id has sent %d", hello.GetSentSeq(), durable)
	default:
		return ""
	}
}
