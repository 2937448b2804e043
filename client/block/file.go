package block

import (
	"errors"
	"fmt"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

const (
	// Size is the size of a block in bytes.
	Size = 4096
	// HeaderSize is how many bytes of a block say whose it is.
	HeaderSize = 64
	// MaxFileSize is the largest size of a file, in bytes: 256 TiB − 1.
	MaxFileSize = 1<<48 - 1
	// MaxNumber is the largest number of a file.
	MaxNumber = sharedNumber - 1

	sectorSize      = 512
	sectorsPerBlock = Size / sectorSize
	// sharedNumber stands in the header of a shared block for the number of a file.
	sharedNumber = 1<<48 - 1
)

// Kind is a kind of data; its value is that in the header.
type Kind uint8

const (
	Random       Kind = 1 // does not compress and does not repeat
	Zeros        Kind = 2 // but for one header in each MiB
	Compressible Kind = 3 // Data.Percent of each block are zeros
	Dedupable    Kind = 4 // Data.Percent of the blocks are one of 32
)

// String returns the kind as a configuration calls it.
func (k Kind) String() string {
	switch k {
	case Random:
		return "random"
	case Zeros:
		return "zeros"
	case Compressible:
		return "compressible"
	case Dedupable:
		return "dedupable"
	default:
		return fmt.Sprintf("kind %d", uint8(k))
	}
}

// KindOf returns the kind that a consumer is asked for on the wire; random unless that says.
func KindOf(kind bulkheadv1.DataKind) Kind {
	switch kind {
	case bulkheadv1.DataKind_DATA_KIND_ZEROS:
		return Zeros
	case bulkheadv1.DataKind_DATA_KIND_COMPRESSIBLE:
		return Compressible
	case bulkheadv1.DataKind_DATA_KIND_DEDUPABLE:
		return Dedupable
	default:
		return Random
	}
}

// Data says what files are filled with.
type Data struct {
	Kind    Kind
	Percent uint8 // of Compressible and Dedupable, 0 to 100; else 0
}

// Validate returns an error unless there are data of this kind and percent.
func (d Data) Validate() error {
	switch d.Kind {
	case Random, Zeros:
		if d.Percent != 0 {
			return fmt.Errorf("%v data with %d percent: only compressible and dedupable data have a percentage", d.Kind,
				d.Percent)
		}
	case Compressible, Dedupable:
		if d.Percent > 100 {
			return fmt.Errorf("%v data with %d percent: it is 0 to 100", d.Kind, d.Percent)
		}
	default:
		return fmt.Errorf("data of %v: it is random, zeros, compressible or dedupable", d.Kind)
	}
	return nil
}

// Owner is who writes a file.
type Owner struct {
	Run      Run
	Client   [16]byte
	Consumer uint32 // number of the consumer in its client
}

// File is the identity of a file, in one generation. It is comparable.
type File struct {
	Owner
	Data
	Number     uint64 // at most MaxNumber
	Generation uint32 // how often the file was written, this time included; from 1
	Size       uint64 // that the file is to have, 1 to MaxFileSize
}

// Validate returns an error if no such file can be.
func (f *File) Validate() error {
	switch {
	case f.Number > MaxNumber:
		return fmt.Errorf("file number %d: it is at most %d", f.Number, uint64(MaxNumber))
	case f.Size == 0:
		return errors.New("file size 0 B: a file has at least 1 B")
	case f.Size > MaxFileSize:
		return fmt.Errorf("file size %d B: it is at most %d B", f.Size, uint64(MaxFileSize))
	}
	return f.Data.Validate()
}
