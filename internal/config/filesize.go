package config

import (
	"gopkg.in/yaml.v3"

	"bulkhead/internal/config/value"
)

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
