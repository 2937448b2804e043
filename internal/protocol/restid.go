package protocol

import (
	"crypto/sha256"
	"encoding/binary"
)

// RestID returns the client id under which the messages of a session that follow message after
// are a session of their own in a run. It is the same each time, so that a delivery
// that was interrupted continues; and it tells who knows the session where they begin.
func RestID(client []byte, run string, after uint64) [ClientIDBytes]byte {
	data := append([]byte("bulkhead resend\x00"), client...)
	data = append(data, 0)
	data = append(append(data, run...), 0)
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(data, after))
	return [ClientIDBytes]byte(sum[:ClientIDBytes])
}
