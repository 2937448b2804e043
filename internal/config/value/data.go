package value

import (
	"fmt"
	"strings"

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

// ValidData says what Data can be, in words.
const ValidData = "random, zeros, compressible:PERCENT or dedupable:PERCENT"

// String returns d as it is written on one line.
func (d Data) String() string {
	if d.parted() {
		return fmt.Sprintf("%s:%d", d.Kind, d.Percent)
	}
	return string(d.Kind)
}

func (d Data) parted() bool { return d.Kind == DataCompressible || d.Kind == DataDedupable }

// ParseData reads a content that is written on one line.
func ParseData(text string) (Data, error) {
	kind, percentText, parted := strings.Cut(text, ":")
	d := Data{Kind: DataKind(kind)}
	switch {
	case d.parted() != parted, !parted && d.Kind != DataRandom && d.Kind != DataZeros:
		meant := spelling.Meant(kind, []string{string(DataRandom), string(DataZeros), string(DataCompressible),
			string(DataDedupable)})
		return Data{}, fmt.Errorf("%s is not valid; %suse %s", Quote(text), meant, ValidData)
	case !parted:
		return d, nil
	}
	percent, err := ParseCount(percentText)
	if err != nil || percent < 0 || percent > 100 {
		return Data{}, fmt.Errorf("%s is not a percentage; use 0 to 100, as in %s:60", Quote(percentText), d.Kind)
	}
	d.Percent = percent
	return d, nil
}
