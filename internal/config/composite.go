package config

import (
	"errors"
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"

	"bulkhead/internal/assertion"
	"bulkhead/internal/config/value"
	"bulkhead/internal/workload"
)

// composite builds a field that YAML gives as text or as a map or list of that kind,
// and the other sources as text. Read returns false after reporting why it cannot.
func composite[T any](key Key, dst *T, def T, kind yaml.Kind, parse func(string) (T, error),
	read func(l *loader, e entry) (T, bool)) field {
	f := scalar(key, dst, def, parse)
	f.node = func(l *loader, e entry) {
		if e.node.Kind != kind {
			if text, ok := l.text(e, key.Valid); ok {
				l.set(f, e.path, text, l.at(e))
			}
			return
		}
		v, ok := read(l, e)
		if !ok {
			l.broken[e.path] = true
			return
		}
		*dst = v
	}
	return f
}

// dataField declares the content: a word, or in YAML {compressible: 60}, elsewhere
// "compressible:60".
func dataField(name string, dst *value.Data, help string) field {
	def := value.Data{Kind: value.DataRandom}
	key := Key{Name: name, Kind: "choice", Default: def.String(), Valid: value.ValidData, Help: help}
	return composite(key, dst, def, yaml.MappingNode, value.ParseData, readData)
}

// readData reads the map of a file.
func readData(l *loader, e entry) (value.Data, bool) {
	const none = -1
	compressible, dedupable := none, none
	before := l.found()
	l.section(e, "", []field{
		countField("compressible", &compressible, none, 0, 100, ""),
		countField("dedupable", &dedupable, none, 0, 100, ""),
	})
	switch {
	case l.found() > before:
	case (compressible == none) == (dedupable == none):
		l.problem(l.at(e), e.path,
			"is neither one kind nor the other; use {compressible: PERCENT} or {dedupable: PERCENT}, one of them")
	case compressible != none:
		return value.Data{Kind: value.DataCompressible, Percent: compressible}, true
	default:
		return value.Data{Kind: value.DataDedupable, Percent: dedupable}, true
	}
	return value.Data{}, false
}

// chunkSizeField declares the sizes of chunks: one size, or in YAML a list of
// {size, weight}, elsewhere "4KiB:70,128KiB:30".
func chunkSizeField(name string, dst *value.ChunkSize, def value.Size, help string) field {
	key := Key{
		Name: name, Kind: "size", Default: def.String(), Valid: value.ValidChunkSize(), Help: help,
	}
	sizes := value.ChunkSize{{Size: def, Weight: 1}}
	return composite(key, dst, sizes, yaml.SequenceNode, value.ParseChunkSize, readChunkSize)
}

// readChunkSize reads the list of a file.
func readChunkSize(l *loader, e entry) (value.ChunkSize, bool) {
	var sizes value.ChunkSize
	before := l.found()
	l.items(e, "a list of sizes, as in [{size: 4KiB, weight: 70}]", func(item entry) {
		sizes = append(sizes, readWeightedSize(l, item))
	})
	if l.found() > before {
		return nil, false
	}
	err := value.CheckChunkSize(sizes)
	if len(sizes) == 0 {
		err = errors.New("is an empty list; give a size, or sizes as in [{size: 4KiB, weight: 70}]")
	}
	if err != nil {
		l.problem(l.at(e), e.path, err.Error())
	}
	return sizes, err == nil
}

// readWeightedSize reads one entry of the list.
func readWeightedSize(l *loader, item entry) value.WeightedSize {
	one := value.WeightedSize{Weight: 1}
	before := l.found()
	l.section(item, "", []field{
		sizeField("size", &one.Size, 0, 1, value.MaxChunk, ""),
		countField("weight", &one.Weight, 1, 1, workload.MaxWeight, ""),
	})
	if one.Size == 0 && l.found() == before {
		l.problem(l.at(item), item.path, "has no size; give one, as in {size: 4KiB, weight: 70}")
	}
	return one
}

// fileSizeField declares the size of files: one size, or in YAML {min, max}, elsewhere
// "1MiB..64MiB".
func fileSizeField(name string, dst *value.FileSize, def value.Size, help string) field {
	key := Key{
		Name: name, Kind: "size", Default: def.String(), Valid: value.ValidFileSize(), Help: help,
	}
	return composite(key, dst, value.FileSize{Min: def, Max: def}, yaml.MappingNode, value.ParseFileSize, readFileSize)
}

// readFileSize reads the map of a file.
func readFileSize(l *loader, e entry) (value.FileSize, bool) {
	var f value.FileSize
	before := l.found()
	l.section(e, "", []field{
		sizeField("min", &f.Min, 0, 1, value.MaxFileSize, ""),
		sizeField("max", &f.Max, 0, 1, value.MaxFileSize, ""),
	})
	switch {
	case l.found() > before:
	case f.Min == 0 || f.Max == 0:
		l.problem(l.at(e), e.path, "needs both ends, as in {min: 1MiB, max: 64MiB}")
	default:
		l.atMost(sizeOperand(e.path+".min", f.Min), sizeOperand(e.path+".max", f.Max))
	}
	return f, l.found() == before
}

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

// maxAssertions is how many thresholds one run has at most.
const maxAssertions = 32

// assertField declares the thresholds of a run: in YAML a list of them, elsewhere as text with
// commas between.
func assertField(dst *[]assertion.Assertion) field {
	key := Key{Name: "assert", Kind: "list",
		Valid: fmt.Sprintf("at most %d thresholds, as in p99 < 50ms for 10s abort", maxAssertions),
		Help:  "What the run must keep: judged at its end, with for also while it goes on, where abort ends it."}
	return composite(key, dst, nil, yaml.SequenceNode, func(text string) ([]assertion.Assertion, error) {
		var list []assertion.Assertion
		for one := range strings.SplitSeq(text, ",") {
			if text == "" {
				return nil, nil
			}
			a, err := readAssertion(one)
			if err != nil {
				return nil, err
			}
			list = append(list, a)
		}
		return list, checkAssertions(list)
	}, readAssertions)
}

// readAssertions reads the list of a file.
func readAssertions(l *loader, e entry) ([]assertion.Assertion, bool) {
	var list []assertion.Assertion
	before := l.found()
	l.items(e, "a list of thresholds, as in [p99 < 50ms]", func(item entry) {
		text, ok := l.text(item, "a threshold, as in p99 < 50ms")
		if !ok {
			return
		}
		a, err := readAssertion(text)
		if err != nil {
			l.problem(l.at(item), item.path, err.Error())
		}
		list = append(list, a)
	})
	if l.found() > before {
		return nil, false
	}
	if err := checkAssertions(list); err != nil {
		l.problem(l.at(e), e.path, err.Error())
		return nil, false
	}
	return list, true
}

// readAssertion reads one threshold.
func readAssertion(text string) (assertion.Assertion, error) {
	if err := value.CheckText(1, 128)(text); err != nil {
		return assertion.Assertion{}, err
	}
	return assertion.Parse(strings.TrimSpace(text))
}

func checkAssertions(list []assertion.Assertion) error {
	if len(list) > maxAssertions {
		return fmt.Errorf("has %d thresholds; use at most %d", len(list), maxAssertions)
	}
	return nil
}

const supervisorHelp = "Address of the supervisor; of several those of one run, of which any will do."

// addressesField declares the addresses of supervisors: one, or in YAML a list, elsewhere with
// commas between.
func addressesField(name string, dst *value.Addresses, help string) field {
	key := Key{Name: name, Kind: "list", Default: value.DefaultAddress, Valid: value.ValidAddresses(), Help: help}
	return composite(key, dst, value.Addresses{value.DefaultAddress}, yaml.SequenceNode, value.ParseAddresses,
		readAddresses)
}

// peersField declares such addresses, or none.
func peersField(name string, dst *value.Addresses, help string) field {
	key := Key{Name: name, Kind: "list", Valid: value.ValidPeers(), Help: help}
	return composite(key, dst, nil, yaml.SequenceNode, func(text string) (value.Addresses, error) {
		if text == "" {
			return nil, nil
		}
		return value.ParseAddresses(text)
	}, func(l *loader, e entry) (value.Addresses, bool) {
		if len(e.node.Content) == 0 {
			return nil, true
		}
		return readAddresses(l, e)
	})
}

// readAddresses reads the list of a file.
func readAddresses(l *loader, e entry) (value.Addresses, bool) {
	var list []string
	before := l.found()
	l.items(e, "a list of addresses, as in [a:7420, b:7420]", func(item entry) {
		text, ok := l.text(item, "HOST:PORT")
		if !ok {
			return
		}
		if err := value.CheckRemote(text); err != nil {
			l.problem(l.at(item), item.path, err.Error())
		}
		list = append(list, text)
	})
	if l.found() > before {
		return nil, false
	}
	all, err := value.NewAddresses(list)
	if err != nil {
		l.problem(l.at(e), e.path, err.Error())
	}
	return all, err == nil
}
