package value

import (
	"fmt"
	"strings"
)

// mostHosts is how many characters the names of an address may have together.
const mostHosts = 1024

// CheckHosts accepts names of hosts that are separated by commas or blanks, of letters, digits,
// hyphens, underscores and dots (RFC 1123, section 2.1), each with a letter in it; or nothing. An IP
// address is no name.
func CheckHosts(s string) error {
	if len(s) > mostHosts {
		return fmt.Errorf("%s has %d characters; at most %d", Quote(s), len(s), mostHosts)
	}
	for _, name := range strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' }) {
		letters := false
		for _, r := range name {
			switch {
			case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z':
				letters = true
			case r >= '0' && r <= '9', r == '-', r == '_', r == '.':
			default:
				return fmt.Errorf("%s is not a name of a host; use names as in collector.example.org", Quote(name))
			}
		}
		if !letters {
			return fmt.Errorf("%s is not a name of a host; use names as in collector.example.org", Quote(name))
		}
	}
	return nil
}
