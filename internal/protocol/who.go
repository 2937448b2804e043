package protocol

import (
	"errors"
	"fmt"
	"strings"

	"bulkhead/internal/plaintext"
)

// What a client of ours says of itself, and what it hears of a supervisor, is held to more than what
// CheckHello lets in: people read it in the report, and it may become part of a file. The errors
// follow the name of the setting: "name: is 129 bytes long; use at most 128".

// CheckName returns what is wrong with the name of a client, which people compare by its looks; nil
// if nothing is.
func CheckName(name string) error {
	if strings.TrimSpace(name) != name {
		return errors.New("begins or ends with a space; remove it")
	}
	return plaintext.Check(name, 1, MaxNameBytes)
}

// CheckToken returns what is wrong with a token, which may be empty, without repeating it; nil if
// nothing is.
func CheckToken(token string) error { return plaintext.Check(token, 0, MaxTokenBytes) }

// CheckRun returns what is wrong with the name of a run, or of a session, as a supervisor says it; nil
// if nothing is. An empty one says nothing.
func CheckRun(name string) error { return plaintext.Check(name, 0, MaxRunBytes) }

// CheckLabel returns what is wrong with one label; nil if nothing is.
func CheckLabel(name, value string) error {
	if err := plaintext.Check(name, 1, MaxLabelBytes); err != nil {
		return fmt.Errorf("label name %s %w", plaintext.Quote(name), err)
	}
	if err := plaintext.Check(value, 0, MaxLabelBytes); err != nil {
		return fmt.Errorf("label value %s %w", plaintext.Quote(value), err)
	}
	return nil
}

// CheckLabelCount returns what is wrong with so many labels; nil if nothing is.
func CheckLabelCount(n int) error {
	if n > MaxLabels {
		return fmt.Errorf("has %d labels; use at most %d", n, MaxLabels)
	}
	return nil
}
