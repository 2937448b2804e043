package value

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"bulkhead/internal/protocol"
)

// Clients is which clients a run awaits: any so many of different names, or those that
// are named.
type Clients struct {
	// Count is how many; with Names their number.
	Count int
	// Names are the names that are awaited; nil for any.
	Names []string
}

const (
	maxClients = 100_000
	// maxClientNames bounds the names, all of which are in one record of the journal.
	maxClientNames = 10_000
)

// ValidClients returns what Clients can be, in words.
func ValidClients() string { return fmt.Sprintf("1 to %d, or names, as in alpha,bravo", maxClients) }

// String returns c as it is written on one line.
func (c Clients) String() string {
	switch len(c.Names) {
	case 0:
	case 1:
		return c.Names[0] + "," // not a number that went wrong
	default:
		return strings.Join(c.Names, ",")
	}
	return strconv.Itoa(c.Count)
}

// ParseClients reads a number, or names with commas between.
func ParseClients(text string) (Clients, error) {
	use := "use " + ValidClients()
	if n, err := ParseCount(text); err == nil {
		if n < 1 || n > maxClients {
			return Clients{}, fmt.Errorf("%s is out of range; %s", Quote(text), use)
		}
		return Clients{Count: n}, nil
	}
	// One word is a number that went wrong rather than a name: that takes a comma.
	if !strings.Contains(text, ",") {
		return Clients{}, fmt.Errorf("%s is not a whole number; %s", Quote(text), use)
	}
	var names []string
	for name := range strings.SplitSeq(strings.TrimSuffix(text, ","), ",") {
		names = append(names, strings.TrimSpace(name))
	}
	return NamedClients(names)
}

// NamedClients returns names that are awaited, or why they cannot be.
func NamedClients(names []string) (Clients, error) {
	if len(names) > maxClientNames {
		return Clients{}, fmt.Errorf("has %d names; use at most %d", len(names), maxClientNames)
	}
	seen := make(map[string]bool, len(names))
	for _, name := range names {
		if err := cmp.Or(CheckText(1, protocol.MaxNameBytes)(name), protocol.CheckName(name)); err != nil {
			return Clients{}, fmt.Errorf("has a name that %w", err)
		}
		if seen[name] {
			return Clients{}, fmt.Errorf("has %s twice; a name counts once", Quote(name))
		}
		seen[name] = true
	}
	return Clients{Count: len(names), Names: names}, nil
}
