package config

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"bulkhead/internal/config/value"
	"bulkhead/internal/human"
	"bulkhead/internal/spelling"
)

// field binds a key to the place of its value.
type field struct {
	Key
	// reset stores the default.
	reset func()
	// place is a pointer to the value. copy takes the value of the same key of another
	// field table. Both are nil for a list of entries.
	place any
	copy  func(from field)
	// set reads a value from text and stores it. Its error is a sentence about the
	// text that says what would be valid. Nil for a key that only YAML can give.
	set func(text string) error
	// node reads a YAML value that is a map or a list, stores it, and reports its
	// own problems. Nil for scalars, which go through set.
	node func(l *loader, e entry)
}

// scalar builds a field from its parts; the constructors below name the kinds.
func scalar[T any](key Key, dst *T, def T, parse func(string) (T, error)) field {
	return field{
		Key:   key,
		reset: func() { *dst = def },
		place: dst,
		copy:  func(from field) { *dst = *from.place.(*T) },
		set: func(text string) error {
			v, err := parse(text)
			if err == nil {
				*dst = v
			}
			return err
		},
	}
}

// bounded builds a field whose value lies between lowest and highest.
func bounded[T cmp.Ordered](key Key, dst *T, def, lowest, highest T, parse func(string) (T, error),
	format func(T) string) field {
	key.Default = format(def)
	key.Valid = format(lowest) + " to " + format(highest)
	return scalar(key, dst, def, func(text string) (T, error) {
		v, err := parse(text)
		if err == nil && (v < lowest || v > highest) {
			err = fmt.Errorf("%s is out of range; use %s", value.Quote(text), key.Valid)
		}
		return v, err
	})
}

func sizeField(name string, dst *value.Size, def, lowest, highest value.Size, help string) field {
	return bounded(Key{Name: name, Kind: "size", Help: help}, dst, def, lowest, highest, value.ParseSize,
		value.Size.String)
}

func durationField(name string, dst *time.Duration, def, lowest, highest time.Duration, help string) field {
	return bounded(Key{Name: name, Kind: "duration", Help: help}, dst, def, lowest, highest, value.ParseDuration,
		human.ExactDuration)
}

func countField(name string, dst *int, def, lowest, highest int, help string) field {
	valid := strconv.Itoa(lowest) + " to " + strconv.Itoa(highest)
	parse := func(text string) (int, error) {
		n, err := value.ParseCount(text)
		if err != nil {
			err = fmt.Errorf("%w; use %s", err, valid)
		}
		return n, err
	}
	return bounded(Key{Name: name, Kind: "number", Help: help}, dst, def, lowest, highest, parse, strconv.Itoa)
}

// amountField declares a number that may have a fraction.
func amountField(name string, dst *float64, def, lowest, highest float64, help string) field {
	valid := human.ExactNumber(lowest) + " to " + human.ExactNumber(highest)
	parse := func(text string) (float64, error) {
		v, err := value.ParseAmount(text)
		if err != nil {
			err = fmt.Errorf("%w; use %s", err, valid)
		}
		return v, err
	}
	return bounded(Key{Name: name, Kind: "number", Help: help}, dst, def, lowest, highest, parse, human.ExactNumber)
}

// seedField declares a whole number of 64 bits.
func seedField(name string, dst *uint64, help string) field {
	const valid = "0 to 18446744073709551615"
	key := Key{Name: name, Kind: "number", Default: "0", Valid: valid, Help: help}
	return scalar(key, dst, 0, func(text string) (uint64, error) {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil || strconv.FormatUint(n, 10) != text {
			return 0, fmt.Errorf("%s is not a seed; use a whole number, %s", value.Quote(text), valid)
		}
		return n, nil
	})
}

func switchField(name string, dst *bool, def bool, help string) field {
	key := Key{Name: name, Kind: "switch", Default: strconv.FormatBool(def), Valid: "true or false", Help: help}
	return scalar(key, dst, def, value.ParseSwitch)
}

func choiceField[T ~string](name string, dst *T, def T, help string, choices ...T) field {
	words := make([]string, len(choices))
	for i, c := range choices {
		words[i] = string(c)
	}
	last := len(words) - 1
	valid := strings.Join(words[:last], ", ") + " or " + words[last]
	key := Key{Name: name, Kind: "choice", Default: string(def), Valid: valid, Help: help}
	return scalar(key, dst, def, func(text string) (T, error) {
		if !slices.Contains(choices, T(text)) {
			return "", fmt.Errorf("%s is not valid; %suse %s", value.Quote(text), spelling.Meant(text, words), valid)
		}
		return T(text), nil
	})
}

func textField(name string, dst *string, def string, check func(string) error, valid, help string) field {
	key := Key{Name: name, Kind: "text", Default: def, Valid: valid, Help: help}
	return scalar(key, dst, def, func(text string) (string, error) { return text, check(text) })
}

// pathField declares a file or folder; an empty one needs optional.
func pathField(name string, dst *string, def string, optional bool, help string) field {
	if optional {
		return textField(name, dst, def, value.CheckPath(value.CheckText(0, maxPath)), "a path, or empty", help)
	}
	return textField(name, dst, def, value.CheckPath(value.CheckText(1, maxPath)), "a path", help)
}

// maxPath is PATH_MAX of Linux without its closing zero, in bytes.
const maxPath = 4095

func fileSyncField(name string, dst *value.FileSync, help string) field {
	def := value.FileSync{Policy: value.SyncFile}
	key := Key{Name: name, Kind: "choice", Default: def.String(), Valid: value.ValidSync, Help: help}
	return scalar(key, dst, def, value.ParseFileSync)
}

func reserveField(name string, dst *value.Reserve, help string) field {
	key := Key{Name: name, Kind: "size", Default: value.AutoReserve().String(), Valid: value.ValidReserve, Help: help}
	return scalar(key, dst, value.AutoReserve(), value.ParseReserve)
}

func inodesField(name string, dst *value.InodeReserve, help string) field {
	key := Key{Name: name, Kind: "count", Default: value.AutoInodes().String(), Valid: value.ValidInodes, Help: help}
	return scalar(key, dst, value.AutoInodes(), value.ParseInodes)
}

func startupsField(name string, dst *value.Startups, def value.Startups, help string) field {
	valid := "START:RATE:FULL, as in " + def.String()
	key := Key{Name: name, Kind: "text", Default: def.String(), Valid: valid, Help: help}
	return scalar(key, dst, def, value.ParseStartups)
}

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
// those of an entry of stages and of one of consumers last.
func ClientKeys() []Key {
	keys := keysOf(new(Client).fields())
	for _, f := range new(Stage).fields() {
		f.Name = "stages[]." + f.Name
		keys = append(keys, f.Key)
	}
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
