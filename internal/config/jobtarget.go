package config

import (
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"bulkhead/internal/config/value"
	"bulkhead/internal/protocol"
)

// JobTarget says which agents an entry of a job means: all, or those that have the name and every
// label that it gives.
type JobTarget struct {
	All    bool
	Name   string
	Labels map[string]string
}

// validTarget says what a target can be, in words.
const validTarget = "all, labels as in {rack: a3}, or a name as in {name: host-7}"

// targetField declares a target: the word all, or a map of labels in which name stands for the
// agent's own.
func targetField(name string, dst *JobTarget, help string) field {
	key := Key{Name: name, Kind: "map", Valid: validTarget, Help: help}
	return composite(key, dst, JobTarget{}, yaml.MappingNode, func(text string) (JobTarget, error) {
		if text != "all" {
			return JobTarget{}, fmt.Errorf("%s says nothing of agents; use %s", value.Quote(text), validTarget)
		}
		return JobTarget{All: true}, nil
	}, readTarget)
}

// readTarget reads the map of a file.
func readTarget(l *loader, e entry) (JobTarget, bool) {
	t := JobTarget{Labels: make(map[string]string)}
	before := l.found()
	l.pairs(e, validTarget, func(name string, item entry) {
		text, ok := l.text(item, "text")
		if !ok {
			return
		}
		err := protocol.CheckLabel(name, text)
		if name == "name" {
			err = protocol.CheckName(text)
		}
		switch {
		case err != nil:
			l.problem(l.at(item), item.path, err.Error())
		case name == "name":
			t.Name = text
		default:
			t.Labels[name] = text
		}
	})
	err := protocol.CheckLabelCount(len(t.Labels))
	if len(e.node.Content) == 0 {
		err = fmt.Errorf("is an empty map; use %s", validTarget)
	}
	if err != nil {
		l.problem(l.at(e), e.path, err.Error())
	}
	return t, l.found() == before
}

// Matches reports whether an agent of this name and these labels is meant.
func (t JobTarget) Matches(name string, labels map[string]string) bool {
	if t.Name != "" && t.Name != name {
		return false
	}
	for label, want := range t.Labels {
		if got, has := labels[label]; !has || got != want {
			return false
		}
	}
	return t.All || t.Name != "" || len(t.Labels) > 0
}

// String returns the target as a file has it, the labels in the order of their names.
func (t JobTarget) String() string {
	if t.All {
		return "all"
	}
	var pairs []string
	for name, text := range t.Labels {
		pairs = append(pairs, name+": "+text)
	}
	slices.Sort(pairs)
	if t.Name != "" {
		pairs = append([]string{"name: " + t.Name}, pairs...)
	}
	return "{" + strings.Join(pairs, ", ") + "}"
}
