package config

import (
	"errors"

	"gopkg.in/yaml.v3"

	"bulkhead/internal/config/value"
	"bulkhead/internal/workload"
)

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
