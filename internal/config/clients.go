package config

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

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
	// maxClientName is the longest name a client can have, in bytes.
	maxClientName = protocol.MaxNameBytes
)

// String is c as it is written on one line.
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

// clientsField declares who is awaited: a number, or names; in YAML a list of them.
func clientsField(name string, dst *Clients, help string) field {
	def := Clients{Count: 1}
	key := Key{
		Name: name, Kind: "number", Default: def.String(), Help: help,
		Valid: fmt.Sprintf("1 to %d, or names, as in alpha,bravo", maxClients),
	}
	return composite(key, dst, def, yaml.SequenceNode, parseClients, readClients)
}

// parseClients reads a number, or names with commas between.
func parseClients(text string) (Clients, error) {
	const use = "use 1 to 100000, or names, as in alpha,bravo"
	if n, err := parseCount(text); err == nil {
		if n < 1 || n > maxClients {
			return Clients{}, fmt.Errorf("%s is out of range; %s", quote(text), use)
		}
		return Clients{Count: n}, nil
	}
	// One word is a number that went wrong rather than a name: that takes a comma.
	if !strings.Contains(text, ",") {
		return Clients{}, fmt.Errorf("%s is not a whole number; %s", quote(text), use)
	}
	var names []string
	for name := range strings.SplitSeq(strings.TrimSuffix(text, ","), ",") {
		names = append(names, strings.TrimSpace(name))
	}
	return clientNames(names)
}

// clientNames are names that are awaited, or why they cannot be.
func clientNames(names []string) (Clients, error) {
	if len(names) > maxClientNames {
		return Clients{}, fmt.Errorf("has %d names; use at most %d", len(names), maxClientNames)
	}
	seen := make(map[string]bool, len(names))
	for _, name := range names {
		if err := cmp.Or(checkText(1, maxClientName)(name), checkName(name)); err != nil {
			return Clients{}, fmt.Errorf("has a name that %w", err)
		}
		if seen[name] {
			return Clients{}, fmt.Errorf("has %s twice; a name counts once", quote(name))
		}
		seen[name] = true
	}
	return Clients{Count: len(names), Names: names}, nil
}

// readClients reads the list of a file.
func readClients(l *loader, e entry) (Clients, bool) {
	var names []string
	before := l.found()
	l.items(e, "a list of names, as in [alpha, bravo]", func(item entry) {
		if name, ok := l.text(item, "a name"); ok {
			names = append(names, name)
		}
	})
	if l.found() > before {
		return Clients{}, false
	}
	c, err := clientNames(names)
	if len(names) == 0 {
		err = errors.New("is an empty list; give a number, or names as in [alpha, bravo]")
	}
	if err != nil {
		l.problem(l.at(e), e.path, err.Error())
	}
	return c, err == nil
}
