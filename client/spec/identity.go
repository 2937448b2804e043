package spec

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"

	"bulkhead/internal/protocol"
)

// Secret is the Hello.client_id of one client for its life. Whoever has it may continue the client's
// session, so it is told to the supervisor alone, and kept in the spool.
type Secret [protocol.ClientIDBytes]byte

// NewSecret returns a random secret.
func NewSecret() Secret {
	var s Secret
	rand.Read(s[:]) // never fails: crypto/rand ends the program instead
	return s
}

// SecretVariable is the environment variable in which an agent gives its client the secret, in hex.
const SecretVariable = "BULKHEAD_CLIENT_SECRET"

// SecretGiven returns the secret that an agent gives its client with a variable of that value; a random one
// if that is empty.
func SecretGiven(value string) (s Secret, err error) {
	if value == "" {
		return NewSecret(), nil
	}
	given, err := hex.DecodeString(value)
	if err != nil || len(given) != len(s) {
		return s, fmt.Errorf("%w: %s is no client's secret; agents set it", ErrConfig, SecretVariable)
	}
	return Secret(given), nil
}

// ID returns what everybody may know of the secret.
func (s Secret) ID() ClientID { return ClientID([]byte(protocol.ShownID(s[:]))) }

// ClientID is the name of one client for its life, as reports, its files and its blocks show it.
type ClientID [protocol.ClientIDBytes]byte

// NewClientID returns the id of a client that nobody knows the secret of.
func NewClientID() ClientID { return NewSecret().ID() }

// NewInstance returns bytes that tell this process from others with the same client id.
func NewInstance() []byte {
	instance := make([]byte, protocol.ClientIDBytes)
	rand.Read(instance) // never fails
	return instance
}

// String returns the id in hex.
func (id ClientID) String() string { return hex.EncodeToString(id[:]) }
