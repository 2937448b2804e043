package protocol

import "crypto/sha256"

// TaskClientID returns the client id of the client of a task.
func TaskClientID(task []byte) []byte {
	sum := sha256.Sum256(append([]byte("bulkhead task "), task...))
	return sum[:ClientIDBytes]
}

// ShownID returns what reports, and whatever else people see, show of a client id: whoever has the
// id may continue the client's session.
func ShownID(client []byte) string {
	sum := sha256.Sum256(append([]byte("bulkhead client "), client...))
	return string(sum[:ClientIDBytes])
}
