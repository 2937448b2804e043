package block

import (
	"encoding/binary"
	"errors"
)

// ErrNoHeader is returned by Parse for bytes that are not a header.
var ErrNoHeader = errors.New("no block header")

// magic begins every header: "BHB" and the version.
const magic = 'B' | 'H'<<8 | 'B'<<16 | 1<<24

// Places in a header; see the package's comment.
const (
	kindAt       = 4
	percentAt    = 5
	numberAt     = 6
	consumerAt   = 12
	clientAt     = 16
	runAt        = 32
	generationAt = 40
	sizeAt       = 44
	offsetAt     = 50
	sealAt       = 56
)

// Header is what the header of a block says.
type Header struct {
	// File has Number, Generation and Size 0 if the block is shared.
	File
	// Offset is where in the file the block belongs, or 4096 times the number of a
	// shared block.
	Offset uint64
	// Shared says that the block is one of those that all files of a consumer share.
	Shared bool
}

// Parse returns what the header at the beginning of data says. It returns
// ErrNoHeader if there is none. It does not say that the block is whole: for that, see
// Checker.
func Parse(data []byte) (Header, error) {
	if len(data) < HeaderSize || binary.LittleEndian.Uint32(data) != magic {
		return Header{}, ErrNoHeader
	}
	h := Header{
		File: File{
			Owner: Owner{
				Run:      Run(binary.LittleEndian.Uint64(data[runAt:])),
				Client:   [16]byte(data[clientAt:runAt]),
				Consumer: binary.LittleEndian.Uint32(data[consumerAt:]),
			},
			Data:       Data{Kind: Kind(data[kindAt]), Percent: data[percentAt]},
			Number:     uint48(data[numberAt:]),
			Generation: binary.LittleEndian.Uint32(data[generationAt:]),
			Size:       uint48(data[sizeAt:]),
		},
		Offset: uint48(data[offsetAt:]),
	}
	if !h.possible() {
		return Header{}, ErrNoHeader
	}
	if h.Number == sharedNumber {
		h.Number, h.Shared = 0, true
	}
	return h, nil
}

// possible reports whether a Source could have made the header. Number is still that in
// the header.
func (h *Header) possible() bool {
	switch {
	case h.Data.Validate() != nil, h.Offset%Size != 0:
		return false
	case h.Number == sharedNumber:
		return h.Kind == Dedupable && h.Generation == 0 && h.File.Size == 0 && h.Offset < sharedBlocks*Size
	default:
		return h.Offset < h.File.Size
	}
}

// uint48 reads 48 bits.
func uint48(b []byte) uint64 {
	return uint64(binary.LittleEndian.Uint32(b)) | uint64(binary.LittleEndian.Uint16(b[4:]))<<32
}

// putUint48 writes 48 bits.
func putUint48(b []byte, v uint64) {
	binary.LittleEndian.PutUint32(b, uint32(v))
	binary.LittleEndian.PutUint16(b[4:], uint16(v>>32))
}
