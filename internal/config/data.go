package config

import (
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"

	"bulkhead/internal/spelling"
)

// Data says what the chunks are filled with.
type Data struct {
	Kind DataKind
	// Percent is the part of compressible and dedupable data that is so, 0 to 100.
	Percent int
}

// DataKind is a kind of content.
type DataKind string

// The kinds of Data.
const (
	// DataRandom does not compress and does not repeat.
	DataRandom DataKind = "random"
	DataZeros  DataKind = "zeros"
	// DataCompressible has a part of each block that is zeros.
	DataCompressible DataKind = "compressible"
	// DataDedupable has a part of the blocks that is the same.
	DataDedupable DataKind = "dedupable"
)

const validData = "random, zeros, compressible:PERCENT or dedupable:PERCENT"

// String is d as it is written on one line.
func (d Data) String() string {
	if d.parted() {
		return fmt.Sprintf("%s:%d", d.Kind, d.Percent)
	}
	return string(d.Kind)
}

func (d Data) parted() bool { return d.Kind == DataCompressible || d.Kind == DataDedupable }

// dataField declares the content: a word, or in YAML {compressible: 60}, elsewhere
// "compressible:60".
func dataField(name string, dst *Data, help string) field {
	def := Data{Kind: DataRandom}
	key := Key{Name: name, Kind: "choice", Default: def.String(), Valid: validData, Help: help}
	return composite(key, dst, def, yaml.MappingNode, parseData, readData)
}

// parseData reads a content that is written on one line.
func parseData(text string) (Data, error) {
	kind, percentText, parted := strings.Cut(text, ":")
	d := Data{Kind: DataKind(kind)}
	switch {
	case d.parted() != parted, !parted && d.Kind != DataRandom && d.Kind != DataZeros:
		meant := spelling.Meant(kind, []string{string(DataRandom), string(DataZeros), string(DataCompressible), string(DataDedupable)})
		return Data{}, fmt.Errorf("%s is not valid; %suse %s", quote(text), meant, validData)
	case !parted:
		return d, nil
	}
	percent, err := parseCount(percentText)
	if err != nil || percent < 0 || percent > 100 {
		return Data{}, fmt.Errorf("%s is not a percentage; use 0 to 100, as in %s:60", quote(percentText), d.Kind)
	}
	d.Percent = percent
	return d, nil
}

// readData reads the map of a file.
func readData(l *loader, e entry) (Data, bool) {
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
		l.problem(l.at(e), e.path, "is neither one kind nor the other; use {compressible: PERCENT} or {dedupable: PERCENT}, one of them")
	case compressible != none:
		return Data{DataCompressible, compressible}, true
	default:
		return Data{DataDedupable, dedupable}, true
	}
	return Data{}, false
}
