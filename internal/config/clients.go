package config

import (
	"errors"

	"gopkg.in/yaml.v3"

	"bulkhead/internal/config/value"
)

// clientsField declares who is awaited: a number, or names; in YAML a list of them.
func clientsField(name string, dst *value.Clients, help string) field {
	def := value.Clients{Count: 1}
	key := Key{
		Name: name, Kind: "number", Default: def.String(), Valid: value.ValidClients(), Help: help,
	}
	return composite(key, dst, def, yaml.SequenceNode, value.ParseClients, readClients)
}

// readClients reads the list of a file.
func readClients(l *loader, e entry) (value.Clients, bool) {
	var names []string
	before := l.found()
	l.items(e, "a list of names, as in [alpha, bravo]", func(item entry) {
		if name, ok := l.text(item, "a name"); ok {
			names = append(names, name)
		}
	})
	if l.found() > before {
		return value.Clients{}, false
	}
	c, err := value.NamedClients(names)
	if len(names) == 0 {
		err = errors.New("is an empty list; give a number, or names as in [alpha, bravo]")
	}
	if err != nil {
		l.problem(l.at(e), e.path, err.Error())
	}
	return c, err == nil
}
