package client

import (
	"crypto/rand"
	"encoding/hex"
	"strconv"
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

// newInstance is what tells this process from others with the same client id.
func newInstance() []byte {
	instance := make([]byte, clientIDBytes)
	rand.Read(instance) // never fails
	return instance
}

// String is the id in hex.
func (id clientID) String() string { return hex.EncodeToString(id[:]) }

// consumerFolder is the name of a consumer's folder within its client's.
func consumerFolder(index int) string { return "consumer-" + strconv.Itoa(index) }

// folderName is the name of the folder that holds a client's load files: readable,
// unique, and one path element whatever the client's name holds.
func folderName(name string, id clientID) string { return folderPrefix(name) + id.String()[:8] }

// folderPrefix is that name without the client's id.
func folderPrefix(name string) string {
	safe := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_', r == '.':
			return r
		}
		return '_'
	}, name)
	return workDirPrefix + safe + "-"
}
