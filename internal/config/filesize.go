package config

import (
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"
)

// FileSize is the range from which the size of each file is drawn evenly; Min is at
// most Max.
type FileSize struct{ Min, Max Size }

// maxFileSize is the largest size of a file.
const maxFileSize = 16 * 1024 * GiB

// String is f as it is written on one line: "64MiB", or "1MiB..64MiB".
func (f FileSize) String() string {
	if f.Min == f.Max {
		return f.Max.String()
	}
	return f.Min.String() + ".." + f.Max.String()
}

// fileSizeField declares the size of files: one size, or in YAML {min, max}, elsewhere
// "1MiB..64MiB".
func fileSizeField(name string, dst *FileSize, def Size, help string) field {
	key := Key{
		Name: name, Kind: "size", Default: def.String(), Help: help,
		Valid: fmt.Sprintf("%s to %s, or a range, as in 1MiB..64MiB", Size(1), maxFileSize),
	}
	return composite(key, dst, FileSize{def, def}, yaml.MappingNode, parseFileSize, readFileSize)
}

// parseFileSize reads a file size that is written on one line.
func parseFileSize(text string) (FileSize, error) {
	lowText, highText, ranged := strings.Cut(text, "..")
	if !ranged {
		highText = text
	}
	var f FileSize
	for _, end := range []struct {
		text string
		dst  *Size
	}{{lowText, &f.Min}, {highText, &f.Max}} {
		size, err := parseSize(end.text)
		if err != nil {
			return f, err
		}
		if size < 1 || size > maxFileSize {
			return f, fmt.Errorf("%s is out of range; use %s to %s", quote(end.text), Size(1), maxFileSize)
		}
		*end.dst = size
	}
	if f.Min > f.Max {
		return f, fmt.Errorf("%s is a range from %s down to %s; give the smaller size first", quote(text), f.Min, f.Max)
	}
	return f, nil
}

// readFileSize reads the map of a file.
func readFileSize(l *loader, e entry) (FileSize, bool) {
	var f FileSize
	before := l.found()
	l.section(e, "", []field{
		sizeField("min", &f.Min, 0, 1, maxFileSize, ""),
		sizeField("max", &f.Max, 0, 1, maxFileSize, ""),
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
