package spec

import (
	"crypto/rand"
	"encoding/hex"

	"bulkhead/internal/protocol"
)

// ClientID is the name of one client for its life, as the supervisor knows it.
type ClientID [protocol.ClientIDBytes]byte

// NewClientID is a random id.
func NewClientID() ClientID {
	var id ClientID
	rand.Read(id[:]) // never fails: crypto/rand ends the program instead
	return id
}

// NewInstance is what tells this process from others with the same client id.
func NewInstance() []byte {
	instance := make([]byte, protocol.ClientIDBytes)
	rand.Read(instance) // never fails
	return instance
}

// String is the id in hex.
func (id ClientID) String() string { return hex.EncodeToString(id[:]) }
