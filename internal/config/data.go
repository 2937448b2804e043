package config

import (
	"gopkg.in/yaml.v3"

	"bulkhead/internal/config/value"
)

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
