package plaintext

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Check returns why s is not printable UTF-8 of lowest to highest bytes; nil if it is. The error
// follows the name of what s is. It never repeats s, which may be a secret.
func Check(s string, lowest, highest int) error {
	if len(s) >= lowest && len(s) <= highest && !utf8.ValidString(s) {
		return errors.New("is not UTF-8 text")
	}
	return CheckBytes(s, lowest, highest)
}

// CheckBytes does what Check does for a path, which may hold bytes that are no text.
func CheckBytes(s string, lowest, highest int) error {
	switch {
	case len(s) < lowest:
		return errors.New("is empty; give a value")
	case len(s) > highest:
		return fmt.Errorf("is %d bytes long; use at most %d", len(s), highest)
	case strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }):
		return errors.New("holds a line break or another control character; use printable text")
	}
	return nil
}
