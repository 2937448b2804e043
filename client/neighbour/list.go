package neighbour

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"

	"bulkhead/client/block"
)

const (
	// slotSize is the size of a slot, maxSlots the most slots of a list.
	slotSize = 64
	maxSlots = 1024
	// magic begins every slot: "BHF" and the version.
	magic = 'B' | 'H'<<8 | 'F'<<16 | 1<<24
)

// Places in a slot; see the package's comment.
const (
	kindAt       = 4
	percentAt    = 5
	numberAt     = 16
	generationAt = 24
	sizeAt       = 32
	writtenAt    = 40
	runAt        = 48
	sumAt        = 56
)

// Entry is a finished file. It is comparable.
type Entry struct {
	File    block.File
	Written uint64 // bytes, from the file's beginning on
}

// slot returns the entry as it stands in a list, which does not have the owner but for the run.
func (e *Entry) slot() []byte {
	s := make([]byte, slotSize)
	binary.LittleEndian.PutUint32(s, magic)
	s[kindAt], s[percentAt] = byte(e.File.Kind), e.File.Percent
	binary.LittleEndian.PutUint64(s[numberAt:], e.File.Number)
	binary.LittleEndian.PutUint64(s[generationAt:], uint64(e.File.Generation))
	binary.LittleEndian.PutUint64(s[sizeAt:], e.File.Size)
	binary.LittleEndian.PutUint64(s[writtenAt:], e.Written)
	binary.LittleEndian.PutUint64(s[runAt:], uint64(e.File.Run))
	binary.LittleEndian.PutUint64(s[sumAt:], xxhash.Sum64(s[:sumAt]))
	return s
}

// entryOf returns the entry of a slot in the list of a consumer; false if it is none that can be.
func entryOf(slot []byte, owner block.Owner) (Entry, bool) {
	if len(slot) < slotSize || binary.LittleEndian.Uint32(slot) != magic ||
		binary.LittleEndian.Uint64(slot[sumAt:]) != xxhash.Sum64(slot[:sumAt]) ||
		block.Run(binary.LittleEndian.Uint64(slot[runAt:])) != owner.Run {
		return Entry{}, false
	}
	generation := binary.LittleEndian.Uint64(slot[generationAt:])
	e := Entry{
		File: block.File{
			Owner:      owner,
			Data:       block.Data{Kind: block.Kind(slot[kindAt]), Percent: slot[percentAt]},
			Number:     binary.LittleEndian.Uint64(slot[numberAt:]),
			Generation: uint32(generation),
			Size:       binary.LittleEndian.Uint64(slot[sizeAt:]),
		},
		Written: binary.LittleEndian.Uint64(slot[writtenAt:]),
	}
	ok := e.File.Validate() == nil && generation == uint64(e.File.Generation) && e.Written > 0 &&
		e.Written <= e.File.Size
	return e, ok
}

// entriesOf returns the entries of a consumer's list.
func entriesOf(list []byte, owner block.Owner) (entries []Entry) {
	for ; len(list) >= slotSize; list = list[slotSize:] {
		if e, ok := entryOf(list[:slotSize], owner); ok {
			entries = append(entries, e)
		}
	}
	return entries
}
