package client

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
)

const clientIDBytes = 16

// clientID is the name of one client for its life, as the supervisor knows it.
type clientID [clientIDBytes]byte

// newClientID is a random id.
func newClientID() clientID {
	var id clientID
	rand.Read(id[:]) // never fails: crypto/rand ends the program instead
	return id
}

// String is the id in hex.
func (id clientID) String() string { return hex.EncodeToString(id[:]) }

// folderName is the name of the folder that holds a client's load files: readable,
// unique, and one path element whatever the client's name holds.
func folderName(name string, id clientID) string {
	safe := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_', r == '.':
			return r
		}
		return '_'
	}, name)
	return "bulkhead-" + safe + "-" + id.String()[:8]
}
