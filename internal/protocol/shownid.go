package protocol

import "crypto/sha256"

// ShownID returns what reports, and whatever else people see, show of a client id: whoever has the
// id may continue the client's session.
func ShownID(client []byte) string {
	sum := sha256.Sum256(append([]byte("bulkhead client "), client...))
	return string(sum[:ClientIDBytes])
}
