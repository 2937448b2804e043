package block

import (
	cryptorand "crypto/rand"
	"encoding/binary"
	"math/rand/v2"

	"github.com/cespare/xxhash/v2"
)

// pool is the data of which chunks are made, a ring of blocks.
type pool struct {
	data   Data
	ring   uint64   // blocks
	memory []byte   // page-aligned; the ring, and again from its beginning if chunks are made in it
	hashes []uint64 // of the payload of each sector of the ring, if it is whole
}

// newPool makes a pool in memory, which is zeroed and holds at least the ring.
func newPool(data Data, seed uint64, ring uint64, memory []byte) *pool {
	p := &pool{data: data, ring: ring, memory: memory, hashes: make([]uint64, ring*sectorsPerBlock)}
	p.fill(seed)
	return p
}

// again returns a pool of the same data in other memory.
func (p *pool) again(memory []byte) *pool {
	copy(memory, p.memory)
	return &pool{data: p.data, ring: p.ring, memory: memory, hashes: p.hashes}
}

// fill makes the data: the ring, its repetition, and the hashes of its payloads. Seed 0 is a
// random one.
func (p *pool) fill(seed uint64) {
	ring := p.memory[:p.ring*Size]
	if p.data.Kind != Zeros {
		var key [32]byte
		if seed == 0 {
			cryptorand.Read(key[:]) // never fails
		} else {
			binary.LittleEndian.PutUint64(key[:], seed)
		}
		rand.NewChaCha8(key).Read(ring)
	}
	var canon [sharedBlocks][]byte
	for r := range p.ring {
		block := ring[r*Size : (r+1)*Size]
		clear(block[p.data.dataEnd():])
		if k, yes := p.data.shared(r); !yes {
		} else if canon[k] == nil {
			canon[k] = block
		} else {
			copy(block, canon[k])
		}
		for sector := range sectorsPerBlock {
			payload := block[sector*sectorSize+p.data.stampLength(sector) : (sector+1)*sectorSize]
			p.hashes[r*sectorsPerBlock+uint64(sector)] = xxhash.Sum64(payload)
		}
	}
	if p.data.Kind == Zeros {
		return // and the rest is zeros, too
	}
	for rest := p.memory[len(ring):]; len(rest) > 0; {
		rest = rest[copy(rest, ring):]
	}
}
