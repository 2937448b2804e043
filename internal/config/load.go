package config

import (
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"bulkhead/internal/config/value"
)

// Override is a value given on the command line.
type Override struct {
	// Key is the path of the key, as in "handler.pool".
	Key string
	// Value is written as in YAML; labels as in "rack=3,disk=nvme".
	Value string
	// Origin is the flag, as a person would write it: "--pool".
	Origin string
}

// DefaultClient returns the default configuration of a client.
func DefaultClient() Client {
	c, err := LoadClient("", nil, nil)
	if err != nil {
		panic(err) // a test loads them
	}
	return c
}

// LoadSupervisor returns the configuration of a supervisor from a YAML file ("" for
// none), an environment in the form of os.Environ, and flags. Of several flags
// with one key, and several entries of one environment variable, the last counts.
// Variables that set no key of a supervisor are ignored. The error is of type
// Problems and holds every reason why the configuration is refused.
func LoadSupervisor(file string, env []string, flags []Override) (Supervisor, error) {
	var s Supervisor
	l := newLoader(file)
	l.process, l.other, l.others = "supervisor", "client", new(Client).fields()
	if readable := l.load(env, flags, s.fields()); readable {
		s.check(l)
	}
	if len(l.problems) > 0 {
		return Supervisor{}, l.refusal()
	}
	return s, nil
}

// LoadClient does for a client what LoadSupervisor does for a supervisor.
func LoadClient(file string, env []string, flags []Override) (Client, error) {
	var c Client
	l := newLoader(file)
	l.process, l.other, l.others = "client", "supervisor", new(Supervisor).fields()
	if readable := l.load(env, flags, c.fields()); readable {
		c.check(l)
	}
	if len(l.problems) > 0 {
		return Client{}, l.refusal()
	}
	return c, nil
}

// loader collects values and problems from all sources of one configuration.
type loader struct {
	// file is the path of the YAML file as a person gave it, safe to print.
	file, path string
	// source is what the file holds.
	source string
	// process is what the configuration is for, other the process that has the keys
	// others.
	process, other string
	others         []field
	// problems are the first maxProblems, omitted counts the others.
	problems []Problem
	omitted  int
	gaveUp   bool // the rest was not looked at
	// origins says where the value of a key comes from; absent means its default.
	origins map[string]origin
	// broken holds the keys for which some source gave something invalid.
	broken map[string]bool

	// parent is the loader of the whole file, of which this one reads a part that is a
	// configuration of its own, and under the path of the part; nil and "" elsewhere. Nodes
	// has what was read of the part, by its key.
	parent *loader
	under  string
	nodes  map[string]*yaml.Node
}

func newLoader(path string) *loader {
	name := path
	if strings.ContainsFunc(path, value.Unprintable) {
		name = value.Quote(path)
	}
	return &loader{file: name, path: path, origins: make(map[string]origin), broken: make(map[string]bool)}
}

// load fills in the fields from the weakest source to the strongest. It returns
// false if the file could not be read to its end, so that its values are unknown.
func (l *loader) load(env []string, flags []Override, fields []field) bool {
	for _, f := range fields {
		f.reset()
	}
	readable := l.readFile(fields)
	l.readEnv(env, fields)
	l.readFlags(flags, fields)
	return readable
}

// readEnv takes values from the environment, in the order of fields.
func (l *loader) readEnv(env []string, fields []field) {
	values := make(map[string]string)
	for _, entry := range env {
		if name, text, ok := strings.Cut(entry, "="); ok {
			values[name] = text
		}
	}
	for _, f := range fields {
		name := envName(f.Name)
		text, ok := values[name]
		if !ok {
			continue
		}
		at := origin{source: fromEnv, name: name}
		if f.set == nil {
			l.problem(at, f.Name, "can be set in the YAML file only; unset this variable")
			continue
		}
		l.set(f, f.Name, text, at)
	}
}

// readFlags takes values from the command line, in the order given there.
func (l *loader) readFlags(flags []Override, fields []field) {
	for _, flag := range flags {
		at := origin{source: fromFlag, name: flag.Origin}
		f, ok := find(fields, flag.Key)
		switch {
		case !ok:
			l.problem(at, flag.Key, "unknown key")
		case f.set == nil:
			l.problem(at, flag.Key, "can be set in the YAML file only")
		default:
			l.set(f, flag.Key, flag.Value, at)
		}
	}
}

// set stores a value under its path, or reports why it is not valid.
func (l *loader) set(f field, path, text string, at origin) {
	if err := f.set(text); err != nil {
		l.problem(at, path, err.Error())
		return
	}
	l.origins[path] = at
}

// problem reports that a source gave something invalid for a key.
func (l *loader) problem(at origin, key, text string) {
	l.broken[key] = true
	l.report(at, key, text)
}

// report adds a problem with a value that is valid by itself.
func (l *loader) report(at origin, key, text string) {
	if l.parent != nil {
		l.parent.once(at, join(at.under, key), text)
		return
	}
	if len(l.problems) == maxProblems {
		l.omitted++
		return
	}
	if strings.ContainsFunc(key, value.Unprintable) || len(key) > maxKeyShown {
		key = value.Quote(key)
	}
	l.problems = append(l.problems, Problem{Where: at.where(), Key: key, Text: text, source: at.source, line: at.line})
}

// once reports a problem of a part of the file, which may have it in common with others.
func (l *loader) once(at origin, key, text string) {
	same := func(p Problem) bool { return p.line == at.line && p.Key == key && p.Text == text }
	if !slices.ContainsFunc(l.problems, same) {
		l.report(at, key, text)
	}
}

// found counts the problems so far.
func (l *loader) found() int {
	if l.parent != nil {
		return l.parent.found()
	}
	return len(l.problems) + l.omitted
}

// givesUp reports whether so much is wrong that the rest is not looked at: to say what costs more than the
// bytes of a file that a stranger has sent.
func (l *loader) givesUp() bool {
	if l.parent != nil {
		return l.parent.givesUp()
	}
	l.gaveUp = l.gaveUp || l.omitted >= maxProblems
	return l.gaveUp
}

// maxKeyShown is the longest path that is shown as it is, in bytes.
const maxKeyShown = 128

func find(fields []field, name string) (field, bool) {
	for _, f := range fields {
		if f.Name == name {
			return f, true
		}
	}
	return field{}, false
}
