package config

// Key describes one setting, for help texts and documentation.
type Key struct {
	// Name is the path of the key in YAML, as in "handler.pool". The settings of
	// one consumer are named "consumers[].chunk_size" and so on.
	Name string
	// Kind is "size", "duration", "number", "switch", "choice", "text", "map" or
	// "list".
	Kind string
	// Default is the value of a key that nothing sets, as YAML would give it; ""
	// for an empty text, map or list, and for a consumer's own settings, which
	// default to the plain key of the same name.
	Default string
	// Valid says which values are accepted, in words.
	Valid string
	// Help says what the key is for, in one sentence.
	Help string
	// Env is the environment variable that sets the key; "" when none can.
	Env string
}

// SupervisorKeys lists the keys of a supervisor in the order of its
// configuration file.
func SupervisorKeys() []Key { return keysOf(new(Supervisor).fields()) }

// ClientKeys lists the keys of a client in the order of its configuration file,
// those of a consumers entry last.
func ClientKeys() []Key {
	keys := keysOf(new(Client).fields())
	for _, f := range new(Consumer).fields() {
		f.Name, f.Default = "consumers[]."+f.Name, ""
		keys = append(keys, f.Key)
	}
	return keys
}

func keysOf(fields []field) []Key {
	keys := make([]Key, len(fields))
	for i, f := range fields {
		keys[i] = f.Key
		if f.set != nil {
			keys[i].Env = envName(f.Name)
		}
	}
	return keys
}
