package tokens

import (
	"errors"
	"fmt"
	"strings"

	"bulkhead/internal/ownfile"
	"bulkhead/internal/protocol"
)

// ReadFile returns the token in a file that a setting names, without the end of its line. Nobody but
// the file's owner and its group may be able to read it. An empty file is an error: who names one
// means to ask for a token, or to present one.
func ReadFile(path string) (string, error) {
	text, err := ownfile.ReadSecret(path, protocol.MaxTokenBytes+int64(len("\r\n")))
	if err != nil {
		return "", err
	}
	token := strings.TrimRight(string(text), "\r\n")
	if token == "" {
		err = errors.New("there is no token in it")
	} else {
		err = protocol.CheckToken(token)
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return token, nil
}
